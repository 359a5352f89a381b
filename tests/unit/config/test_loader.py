"""The configuration file: what it means, and what is said of what is wrong with it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from backends.contracts import EndpointRef
from backends.settings import Secret, Setting, SettingType
from shiftdeck.config import loader
from shiftdeck.config.loader import (
    Access,
    Config,
    ConfigErrors,
    ContextConfig,
    RefreshConfig,
    Slo,
    SourceConfig,
    UiConfig,
    adapter_settings,
    find_config,
    load,
    parse,
    sketch,
)

PATH = Path("/etc/shiftdeck/config.toml")
JOURNAL = Path("/var/journal.jsonl")

ADAPTERS: dict[tuple[str, str], tuple[Setting, ...]] = {
    ("serving", "lab"): (
        Setting("url", SettingType.URL, "where the gateway answers", required=True),
        Setting("token", SettingType.SECRET, "bearer token"),
    ),
    ("metrics", "openmetrics"): (Setting("url", SettingType.URL, "the page", required=True),),
    ("drift", "histograms"): (
        Setting("metrics", SettingType.SOURCE, "where histograms are", required=True, source_kind="metrics"),
        Setting("reference", SettingType.PATH, "the baseline"),
        Setting("method", SettingType.TEXT, "the distance", default="psi", choices=("psi", "js")),
        Setting("every", SettingType.NUMBER, "not the engine's: it comes first"),
        Setting("window", SettingType.DURATION, "compared with the baseline", default=600.0),
    ),
    ("alerts", "all"): (
        Setting("text", SettingType.TEXT, "a text"),
        Setting("api_key", SettingType.TEXT, "declared carelessly"),
        Setting("number", SettingType.NUMBER, "a number"),
        Setting("percent", SettingType.PERCENT, "a percentage"),
        Setting("flag", SettingType.FLAG, "a flag"),
        Setting("texts", SettingType.TEXTS, "some texts"),
        Setting("headers", SettingType.TABLE, "some headers"),
        Setting("duration", SettingType.DURATION, "a duration"),
    ),
}


def settings_of(kind: str, adapter: str) -> tuple[Setting, ...]:
    try:
        return ADAPTERS[kind, adapter]
    except KeyError:
        raise LookupError(f"no adapter {adapter!r} for {kind}") from None


def read(text: str) -> Config:
    return parse(text, PATH, settings_of, default_journal=JOURNAL)


def context(body: str) -> ContextConfig:
    return read(f'[contexts.lab.serving.lab]\nurl = "http://127.0.0.1:1"\n{body}').contexts["lab"]


def options(body: str) -> SourceConfig:
    source = context(f'[contexts.lab.alerts.pager]\nadapter = "all"\n{body}').source("alerts", "pager")
    assert source is not None
    return source


def complaints(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        read(text)
    return str(caught.value).splitlines()


def complaint(text: str) -> str:
    (only,) = complaints(text)
    return only


WHOLE = """\
default_context = "prod"
journal = "journal.jsonl"

[keys]
rollback = "R"

[ui]
mouse = true
refresh = "500ms"

[contexts.lab]
production = false
access = "read-write"
[contexts.lab.serving.lab]
url = "http://127.0.0.1:41234"
every = "1s"
[contexts.lab.metrics.gateway]
adapter = "openmetrics"
url = "http://127.0.0.1:41234/metrics"
window = "1m"
[contexts.lab.drift.psi]
adapter = "histograms"
metrics = "gateway"
reference = "reference.json"
timeout = "500ms"

[contexts.prod]
access = "arm"
arm_for = "30m"
longest_hold = "90s"
[contexts.prod.slo]
p95 = "200ms"
errors = "1%"
[contexts.prod.slo.endpoints."eu:prod/ranker"]
p95 = "400ms"
[contexts.prod.slo.endpoints."eu:batch/scorer"]
p95 = "off"
min_samples = 5
[contexts.prod.runbooks]
"eu:prod/*" = "https://runbooks.example.com/prod"
"eu:prod/ranker" = "https://runbooks.example.com/ranker"
[contexts.prod.serving.eu]
adapter = "lab"
url = "https://gateway.example.com"
token = { env = "GATEWAY_TOKEN" }
"""


def test_a_whole_file_is_read_with_units_and_defaults() -> None:
    config = read(WHOLE)
    assert config.default_context == "prod"
    assert config.journal == Path("/etc/shiftdeck/journal.jsonl")
    assert config.keys == {"rollback": "R"}
    assert config.ui == UiConfig(mouse=True, ascii=None, refresh_s=0.5)
    lab = config.contexts["lab"]
    assert (lab.production, lab.access, lab.arm_for_s) == (False, Access.READ_WRITE, 900.0)
    assert (lab.longest_hold_s, config.contexts["prod"].longest_hold_s) == (60.0, 90.0)
    assert lab.of_kind("serving") == (
        SourceConfig("serving", "lab", "lab", 1.0, 5.0, 300.0, {"url": "http://127.0.0.1:41234", "token": None}),
    )
    gateway = lab.source("metrics", "gateway")
    assert gateway is not None
    assert (gateway.adapter, gateway.every_s, gateway.window_s) == ("openmetrics", 5.0, 60.0)


@pytest.mark.parametrize(
    ("lines", "window_s", "share_window_s"),
    [("", 300.0, 60.0), ('window = "30s"', 30.0, 30.0), ('share_window = "20s"', 300.0, 20.0)],
)
def test_shares_are_measured_over_a_minute_unless_the_window_is_shorter(
    lines: str, window_s: float, share_window_s: float
) -> None:
    source = context(f'[contexts.lab.metrics.m]\nadapter = "openmetrics"\nurl = "http://h"\n{lines}').source(
        "metrics", "m"
    )
    assert source is not None
    assert (source.window_s, source.share_window_s) == (window_s, share_window_s)


def test_an_adapters_own_window_is_its_option_but_the_engines_keys_stay_the_engines() -> None:
    psi = read(WHOLE).contexts["lab"].source("drift", "psi")
    assert psi is not None
    assert psi.options == {
        "metrics": "gateway",
        "reference": Path("/etc/shiftdeck/reference.json"),
        "method": "psi",
        "window": 600.0,
    }
    assert (psi.every_s, psi.timeout_s) == (15.0, 0.5)


def test_a_secret_is_kept_as_where_it_comes_from() -> None:
    (gateway,) = read(WHOLE).contexts["prod"].sources
    token = gateway.options["token"]
    assert isinstance(token, Secret)
    assert token.origin == "environment variable GATEWAY_TOKEN"


def test_an_endpoints_objective_inherits_what_it_does_not_name() -> None:
    slo = read(WHOLE).contexts["prod"].slo
    assert slo.for_endpoint(EndpointRef("eu", "prod", "ranker")) == Slo(0.4, 0.01, 0.25, 100)
    assert slo.for_endpoint(EndpointRef("eu", "batch", "scorer")) == Slo(None, 0.01, 0.25, 5)
    assert slo.for_endpoint(EndpointRef("eu", "prod", "else")) == Slo(0.2, 0.01, 0.25, 100)


def test_the_runbook_of_an_endpoint_is_its_own_before_its_patterns() -> None:
    prod = read(WHOLE).contexts["prod"]
    assert prod.runbook_for(EndpointRef("eu", "prod", "ranker")).endswith("/ranker")
    assert prod.runbook_for(EndpointRef("eu", "prod", "fraud")).endswith("/prod")
    assert prod.runbook_for(EndpointRef("eu", "batch", "scorer")) == ""


def test_a_context_that_says_nothing_is_production_and_read_only() -> None:
    prod = context("")
    assert prod.production
    assert prod.access is Access.READ_ONLY
    assert prod.slo.default == Slo(None, None, 0.25, 100)
    assert [source.every_s for source in prod.sources] == [2.0]


def test_the_only_context_is_the_default_and_the_journal_has_a_default_place() -> None:
    config = read('[contexts.eu.serving.lab]\nurl = "http://h"')
    assert (config.default_context, config.journal) == ("eu", JOURNAL)


def test_every_type_of_setting_is_converted() -> None:
    source = options(
        'text = "t"\nnumber = 2.5\npercent = "2.5%"\nflag = true\ntexts = ["a", "b"]\n'
        'headers = { X-Team = "ml" }\nduration = "1m"'
    )
    assert source.options == {
        "text": "t",
        "api_key": None,
        "number": 2.5,
        "percent": 2.5,
        "flag": True,
        "texts": ("a", "b"),
        "headers": {"X-Team": "ml"},
        "duration": 60.0,
    }
    assert source.timeout_s == 5.0


@pytest.mark.parametrize(
    "line",
    [
        "text = 1",
        'number = "1"',
        "number = nan",
        "percent = 101",
        'flag = "yes"',
        'texts = "a"',
        "texts = [1]",
        "headers = []",
        "headers = { a = 1 }",
        "duration = -1",
        "duration = 2026-01-01",
    ],
)
def test_a_value_of_the_wrong_type_is_refused_where_it_stands(line: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        options(line)
    (error,) = caught.value.errors
    assert (error.line, error.key) == (5, f"contexts.lab.alerts.pager.{line.split()[0]}")


def test_a_finding_reads_file_line_key_message_and_what_is_accepted() -> None:
    assert complaint('[contexts.lab]\naccess = "write"\nserving.lab.url = "http://h"') == (
        "/etc/shiftdeck/config.toml:2: contexts.lab.access: not one of the accepted values"
        " (accepted: read-only, arm, read-write)"
    )


def test_an_unknown_key_is_told_what_was_perhaps_meant_and_what_there_is() -> None:
    line = complaint('[contexts.lab.serving.lab]\nurl = "http://h"\nevry = "1s"')
    assert ":3: contexts.lab.serving.lab.evry: unknown key, did you mean 'every'?" in line
    assert "(accepted: url, token, adapter, every, timeout)" in line


def test_everything_that_is_wrong_is_said_at_once_in_the_order_of_the_file() -> None:
    lines = complaints(
        'defaultcontext = "x"\n[contexts.lab]\narm_for = "1x"\n[contexts.lab.metric.m]\n'
        '[contexts.lab.serving.lab]\ntimeout = "1ms"\n[contexts.lab.serving.kserv]\n'
        '[contexts.lab.drift.histograms]\nmetrics = "gateway"\n'
    )
    assert [int(re.findall(r":(\d+):", line)[0]) for line in lines] == [1, 3, 4, 5, 6, 7, 9]
    assert "did you mean 'default_context'?" in lines[0]
    assert "did you mean 'metrics'?" in lines[2]
    assert "'url' is missing: where the gateway answers" in lines[3]
    assert "at least 100ms" in lines[4]
    assert "no adapter 'kserv' for serving" in lines[5]
    assert "no source in metrics" in lines[6]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no context: begin with a source"),
        ("contexts = 1", "write a table here"),
        ("[contexts.lab]", "no source in this context"),
        ('[contexts."a b".serving.lab]', "a name is letters"),
        ('[contexts.a.serving."a:b"]', "a name is letters"),
        ('[contexts.a.serving]\nurl = "http://h"', "write a table for each source: [contexts.a.serving.NAME]"),
        ('[contexts.a]\nserving = "lab"', "write a table for each source: [contexts.a.serving.NAME]"),
        ("contexts.a = 1", "write a table for each context"),
        ('default_context = "eu"\n[contexts.us.serving.lab]\nurl = "http://h"', "unknown context 'eu'"),
        ('[contexts.a.serving.lab]\nurl = "ftp://h"', "write a URL like"),
        ('[contexts.a.serving.lab]\nurl = "http://h:port/"', "write a URL like"),
        ('[contexts.a]\nserving.lab.url = "http://h"\nslo.errors = 1', "with its sign"),
        ('[contexts.a]\nserving.lab.url = "http://h"\nslo.drift = 0', "above 0"),
        ('[contexts.a]\nserving.lab.url = "http://h"\nslo.min_samples = 0', "at least 1"),
        ('[contexts.a]\nserving.lab.url = "http://h"\nslo.endpoints.x.p95 = "1s"', "BACKEND:SCOPE/NAME"),
        ('[contexts.a]\nserving.lab.url = "http://h"\nslo.endpoints."b:c/d".p95 = "1s"', "no source 'b' in serving"),
        ('[contexts.a]\nserving.lab.url = "http://h"\narm_for = "25h"', "between 1 s and 86400 s"),
        ('[contexts.a]\nserving.lab.url = "http://h"\nlongest_hold = "0s"', "between 1 s and 3600 s"),
        ('[contexts.a]\nserving.lab.url = "http://h"\n[keys]\nshift = ""', "name a key"),
        ('[contexts.a]\nserving.lab.url = "http://h"\n[ui]\nrefresh = "0s"', "between 0.1 s and 60 s"),
    ],
)
def test_each_mistake_is_named(text: str, expected: str) -> None:
    assert expected in complaint(text)


def test_of_several_contexts_one_must_be_the_first() -> None:
    text = '[contexts.a.serving.lab]\nurl = "http://h"\n[contexts.b.serving.lab]\nurl = "http://h"'
    assert complaint(text).endswith("say which context to begin with (accepted: a, b)")


def test_a_source_that_another_names_must_be_another_of_that_kind() -> None:
    text = (
        '[contexts.a.metrics.one]\nadapter = "openmetrics"\nurl = "http://h"\n'
        '[contexts.a.drift.psi]\nadapter = "histograms"\n'
    )
    assert complaint(f'{text}metrics = "two"').endswith(
        "no other source 'two' in metrics of this context (accepted: one)"
    )
    assert complaint(f'{text}metrics = "one"\nmethod = "ks"').endswith(
        "not one of the accepted values (accepted: psi, js)"
    )


def test_toml_that_is_none_is_named_with_its_line() -> None:
    assert complaint("a = 1\nb = = 2\n").startswith("/etc/shiftdeck/config.toml:2: not TOML: ")
    assert complaint('a = 1\nb = """').startswith("/etc/shiftdeck/config.toml:2: not TOML: ")
    assert complaint("a = 1\n[a]\n").startswith("/etc/shiftdeck/config.toml:2: not TOML: ")


JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"


@pytest.mark.parametrize(
    ("line", "hidden"),
    [
        ('url = "https://ops:hunter2@gateway"', "hunter2"),
        ('url = "https://gateway/?api_key=hunter2"', "hunter2"),
        ('token = "hunter2"', "hunter2"),
        ('token = ["hunter2"]', "hunter2"),
        ('token = { value = "hunter2" }', "hunter2"),
        ('token = { env = "hunter-2" }', "hunter-2"),
        ('token = { env = "ghp_0123456789abcdefghij0123456789abcdef" }', "ghp_"),
        ('token = { command = "echo hunter2" }', "hunter2"),
        ('token = { command = ["curl", "-d", "password=hunter2"] }', "hunter2"),
        ('token = { env = "A", file = "hunter2" }', "hunter2"),
        ('password = "hunter2"', "hunter2"),
        (f'every = "{JWT}"', JWT[:12]),
        (f'adapter = "{JWT}"', JWT[:12]),
    ],
)
def test_a_secret_in_the_file_is_refused_and_never_repeated(line: str, hidden: str) -> None:
    url = "" if line.startswith("url") else 'url = "http://h"\n'
    message = "\n".join(complaints(f"[contexts.a.serving.lab]\n{url}{line}"))
    assert f"{PATH}:{3 if url else 2}: contexts.a.serving.lab." in message
    assert hidden not in message


@pytest.mark.parametrize(
    "line",
    [
        'api_key = "hunter2"',
        'text = "postgresql://ml:hunter2@db/mlflow"',
        'texts = ["a", "token=hunter2"]',
        'headers = { Authorization = "hunter2" }',
        'headers = { X-Api-Key = "hunter2" }',
    ],
)
def test_a_credential_in_any_other_setting_belongs_into_the_environment(line: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        options(line)
    assert "put it into an environment variable" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_secret_can_come_from_a_file_beside_the_configuration_or_a_command() -> None:
    for written, origin in (
        ('{ file = "token" }', "file /etc/shiftdeck/token"),
        ('{ command = ["pass", "show", "gateway"] }', "command pass"),
    ):
        (source,) = read(f'[contexts.a.serving.lab]\nurl = "http://h"\ntoken = {written}').contexts["a"].sources
        token = source.options["token"]
        assert isinstance(token, Secret)
        assert token.origin == origin


def test_the_file_named_on_the_command_line_comes_first_then_the_variable_then_the_xdg_place() -> None:
    env = {"SHIFTDECK_CONFIG": "/a.toml", "XDG_CONFIG_HOME": "/x", "HOME": "/h"}
    assert find_config(Path("/b.toml"), env) == Path("/b.toml")
    assert find_config(None, env) == Path("/a.toml")
    assert find_config(None, env | {"SHIFTDECK_CONFIG": ""}) == Path("/x/shiftdeck/config.toml")
    assert find_config(None, {"HOME": "/h", "XDG_CONFIG_HOME": "relative"}) == Path("/h/.config/shiftdeck/config.toml")


def test_an_adapter_that_is_not_installed_is_named_with_those_that_are() -> None:
    with pytest.raises(
        LookupError, match=r"no adapter 'opnmetrics' for metrics, did you mean 'openmetrics'\? Known are: "
    ):
        adapter_settings("metrics", "opnmetrics")


def test_how_much_less_often_is_read_what_nobody_looks_at() -> None:
    body = '[contexts.lab.refresh]\nhidden = 10\nunfocused = 1\nslowest = "5m"\n'
    assert context(body).refresh == RefreshConfig(10.0, 1.0, 300.0)
    assert context("").refresh == RefreshConfig()
    for wrong in ("hidden = 0.5", 'slowest = "0s"', "focused = 2"):
        with pytest.raises(ConfigErrors):
            context(f"[contexts.lab.refresh]\n{wrong}\n")


def test_a_sketch_knows_all_but_the_options_of_sources(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[contexts.prod.metrics.prometheus]\nurl = "http://127.0.0.1:9"\nevery = "3s"\n', encoding="utf-8")
    config, complete = sketch(path)
    (source,) = config.contexts["prod"].sources
    assert (source.name, source.adapter, source.every_s, dict(source.options)) == (
        "prometheus",
        "prometheus",
        3.0,
        {},
    )
    assert complete().contexts["prod"].sources[0].options["url"] == "http://127.0.0.1:9"


def test_a_start_parses_the_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.toml"
    text = """\
default_context = "prod"
[contexts.prod.slo]
p95 = "200ms"
[contexts.prod.metrics.prometheus]
url = "http://127.0.0.1:9"
[contexts.prod.alerts.alertmanager]
url = "http://127.0.0.1:9"
[contexts.other.metrics.prometheus]
url = "http://127.0.0.1:9"
"""
    path.write_text(text, encoding="utf-8")
    expected = load(path)
    parsed: list[str] = []

    def loads(text: str) -> dict[str, object]:
        parsed.append(text)
        return tomllib.loads(text)

    monkeypatch.setattr(loader, "tomllib", SimpleNamespace(loads=loads, TOMLDecodeError=tomllib.TOMLDecodeError))
    _, complete = sketch(path)
    assert complete() == expected
    assert parsed == [text]


def test_what_a_sketch_takes_on_trust_is_found_when_it_is_completed(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[contexts.prod.metrics.prometheus]\nurll = "http://127.0.0.1:9"\n', encoding="utf-8")
    _, complete = sketch(path)
    for _ in range(2):
        with pytest.raises(ConfigErrors, match="did you mean 'url'") as caught:
            complete()
        assert [error.line for error in caught.value.errors] == [1, 2], "the key that is missing, and the unknown one"


def test_a_sketch_finds_what_else_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[contexts.prod]\naccess = "all"\n[contexts.prod.metrics.prometheus]\n', encoding="utf-8")
    with pytest.raises(ConfigErrors, match="access"):
        sketch(path)
