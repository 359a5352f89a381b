"""config check prints what is in force, and config migrate rewrites an old file."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from tui.cli.main import cli

TEXT = """\
[contexts.prod]
access = "arm"
[contexts.prod.slo]
p95 = "200ms"
errors = "1%"
[contexts.prod.slo.endpoints."lab:prod/ranker"]
p95 = "off"
first_step = "10%"
[contexts.prod.gates]
tags = { security_scan = ["passed", "waived"] }
metrics = { f1 = { min = "champion", slack = 0.01 }, mape = { max = 4.2, otherwise = "warn" } }
max_cost = 12
[contexts.prod.serving.lab]
url = "http://127.0.0.1:1"
"""


def typed(path: Path, *words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["--config", str(path), *words], catch_exceptions=False)
    return done.exit_code, " ".join(done.stdout.split()), done.stderr


def test_the_objectives_and_gates_in_force_are_printed(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(TEXT)
    code, out, _ = typed(path, "config", "check")
    assert code == 0
    assert "prod (default) production, arm, 15m at a time" in out
    assert "every endpoint p95 200ms, errors 1 %, drift 0.25, from 100 requests on, first step 5 %" in out
    assert "lab:prod/ranker no p95, errors 1 %, drift 0.25, from 100 requests on, first step 10 %" in out
    assert "f1 ≥ that of champion ± 0.01 (block), mape ≤ 4.2 (warn)" in out
    assert "tag security_scan passed or waived (block)" in out
    assert "at most 12 an hour (block)" in out
    assert "serving lab" in out


def test_an_old_file_is_rewritten_and_each_line_shown(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    old = TEXT.replace('"200ms"', "200")
    path.write_text(old)
    code, _, err = typed(path, "config", "check")
    assert code == 2
    assert "contexts.prod.slo.p95: write the unit" in err
    code, out, _ = typed(path, "config", "migrate", "--dry-run")
    assert code == 0
    assert path.read_text() == old
    assert '- p95 = 200 + p95 = "200s"' in out
    code, out, _ = typed(path, "config", "migrate")
    assert code == 0
    assert '"200ms" if milliseconds were meant' in out
    assert path.read_text() == TEXT.replace('"200ms"', '"200s"')
    assert typed(path, "config", "check")[0] == 0
    assert "nothing to rewrite" in typed(path, "config", "migrate")[1]
