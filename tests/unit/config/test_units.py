"""Units are demanded, and files of earlier releases are rewritten with the units that their numbers had."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.settings import Setting, SettingType
from shiftdeck.config.loader import ConfigErrors, parse
from shiftdeck.config.migration import migrated, write_file

HERE = Path("/nowhere/config.toml")
OLD = """\
# what was
[contexts.prod]
arm_for = 900  # a quarter of an hour
refresh = { hidden = 4, slowest = 60 }
[contexts.prod.slo]
p95 = "200"
[contexts.prod.slo.endpoints]
"lab:prod/ranker" = { p95 = 0.25, min_samples = 20 }
[contexts.prod.serving.lab]
every = 2
tolerance = 12.5
slack = 3
"""


def settings(kind: str, name: str) -> tuple[Setting, ...]:
    return (
        Setting("tolerance", SettingType.PERCENT, "a percentage", default=10.0),
        Setting("slack", SettingType.NUMBER, "a number", default=1.0),
    )


def errors(text: str) -> list[str]:
    try:
        parse(text, HERE, settings, default_journal=HERE)
    except ConfigErrors as found:
        return [str(error) for error in found.errors]
    return []


@pytest.mark.parametrize("written", ["200", '"200"', "0.2", '" 200 "', "0"])
@pytest.mark.parametrize("table", ["[contexts.p.slo]\np95", "[contexts.p]\narm_for", "[ui]\ncharts"])
def test_a_bare_number_is_no_duration_and_the_accepted_forms_are_named(table: str, written: str) -> None:
    found = [one for one in errors(f"{table} = {written}\n[contexts.p.serving.lab]") if "unit" in one]
    assert len(found) == 1
    assert found[0].startswith(f"{HERE}:2: ")
    assert '"500ms"' in found[0]
    assert "shiftdeck config migrate" in found[0]


def test_a_bare_percentage_is_refused() -> None:
    (found,) = errors("[contexts.p.serving.lab]\ntolerance = 10")
    assert "with its sign" in found


def test_an_old_file_gets_the_units_that_it_had_and_nothing_else() -> None:
    done = migrated(OLD, HERE, settings)
    new = tomllib.loads(done.text)["contexts"]["prod"]
    assert (new["arm_for"], new["slo"]["p95"]) == ("900s", "200s")
    assert new["refresh"] == {"hidden": 4, "slowest": "60s"}
    assert new["slo"]["endpoints"]["lab:prod/ranker"] == {"p95": "0.25s", "min_samples": 20}
    assert new["serving"]["lab"] == {"every": "2s", "tolerance": "12.5%", "slack": 3}
    assert "# a quarter of an hour" in done.text
    assert "# what was" in done.text
    assert done.left == ()
    assert errors(done.text) == []
    assert f"{HERE}:3" in done.difference
    assert '+ arm_for = "900s"  # a quarter of an hour' in done.difference
    assert len(done.difference) == 3 * 6


def test_a_latency_that_milliseconds_were_meant_for_is_pointed_out() -> None:
    done = migrated(OLD.replace('"200"', "200"), HERE, settings)
    assert [note for note in done.notes if '"200ms"' in note]


def test_a_file_of_this_release_stays_as_it_is() -> None:
    new = migrated(OLD, HERE, settings).text
    assert migrated(new, HERE, settings).text == new


def test_line_ends_and_a_byte_order_mark_stay() -> None:
    done = migrated("\ufeff" + OLD.replace("\n", "\r\n"), HERE, settings)
    assert done.text.startswith("\ufeff")
    assert done.text.count("\r\n") == OLD.count("\n")
    assert done.left == ()


def test_what_cannot_be_found_is_left_and_named() -> None:
    done = migrated('[contexts.p]\n"arm\\u005ffor" = 900\n[contexts.p.serving.lab]\n', HERE, settings)
    assert len(done.left) == 1
    assert "arm_for" in done.left[0]


def test_other_errors_are_not_rewritten() -> None:
    text = OLD + "nonsense = 5\n"
    done = migrated(text, HERE, settings)
    assert "nonsense = 5" in done.text
    assert len(errors(done.text)) == 1


def test_a_file_is_replaced_with_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "real.toml", tmp_path / "config.toml"
    file.write_text("a")
    file.chmod(0o640)
    link.symlink_to(file)
    write_file(link, "b")
    assert link.is_symlink()
    assert file.read_text() == "b"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in sorted(tmp_path.iterdir())] == ["config.toml", "real.toml"]


@given(st.floats(min_value=0.001, max_value=3600.0, allow_nan=False))
def test_each_number_keeps_its_value(seconds: float) -> None:
    text = f"[contexts.p.slo]\np95 = {seconds!r}\n[contexts.p.serving.lab]\n"
    done = migrated(text, HERE, settings)
    assert done.left == ()
    found = parse(done.text, HERE, settings, default_journal=HERE)
    assert found.contexts["p"].slo.default.p95_s == seconds
