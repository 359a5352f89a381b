"""Whatever a server answers, only our own errors come out; and what is well formed is read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.alerts import alertmanager, prometheus
from backends.alerts.labels import LabelOptions, Labels, moment, rfc3339
from backends.contracts import AlertState, Subject
from backends.dropped import Dropped
from backends.errors import BackendError, Malformed
from backends.metrics import promql
from backends.metrics.answers import buckets, read_envelope, read_matrix, read_vector
from backends.metrics.preset import AUTO, LabelRule, PresetError, admits, find_presets, read_preset
from tests.foreign import SCALARS, json_of

LABELS = Labels.of(LabelOptions())

WORDS = (
    "status",
    "success",
    "error",
    "data",
    "resultType",
    "result",
    "vector",
    "matrix",
    "scalar",
    "metric",
    "value",
    "values",
    "labels",
    "annotations",
    "state",
    "active",
    "suppressed",
    "startsAt",
    "endsAt",
    "fingerprint",
    "id",
    "matchers",
    "name",
    "silencedBy",
    "inhibitedBy",
    "alerts",
    "firing",
    "activeAt",
    "warnings",
    "createdBy",
    "2026-11-21T01:07:19.630Z",
    "NaN",
    "+Inf",
    "1e400",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
)
JSON = json_of(*WORDS)
WORD = st.sampled_from(WORDS)


def envelope(result: object, kind: str) -> dict[str, object]:
    return {"status": "success", "data": {"resultType": kind, "result": result}}


SERIES = st.lists(
    st.fixed_dictionaries(
        {"metric": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2) | JSON},
        optional={"value": st.tuples(SCALARS, SCALARS | WORD).map(list) | JSON, "values": JSON, "histogram": JSON},
    ),
    max_size=3,
)
ALERT = st.fixed_dictionaries(
    {"status": JSON | st.dictionaries(WORD, JSON), "fingerprint": SCALARS, "startsAt": WORD | SCALARS},
    optional={"labels": st.dictionaries(st.text(max_size=4), st.text(max_size=4)) | JSON, "annotations": JSON},
)
READERS: list[Callable[[object], object]] = [
    lambda raw: read_vector(read_envelope(raw, "it"), "it", Dropped()),
    lambda raw: read_matrix(read_envelope(raw, "it"), "it", Dropped()),
    lambda raw: alertmanager.read_alerts(raw, LABELS, "it", "it"),
    lambda raw: alertmanager.read_silences(raw, "it"),
    lambda raw: prometheus.read_alerts(raw, LABELS, "it", "it"),
]


@given(
    JSON
    | st.builds(envelope, SERIES | JSON, st.sampled_from(["vector", "matrix", "string"]))
    | st.lists(ALERT, max_size=2)
    | st.builds(lambda alerts: {"status": "success", "data": {"alerts": alerts}}, st.lists(ALERT, max_size=2))
)
def test_nothing_but_our_errors_comes_out(raw: Any) -> None:
    for read in READERS:
        with suppress(BackendError):
            read(raw)


@given(st.dictionaries(st.floats(allow_nan=False) | st.just(math.inf), st.floats(), max_size=8))
def test_bins_are_never_negative(upto: dict[float, float]) -> None:
    dropped = Dropped()
    made = buckets(upto, {}, 1.0, "it", dropped)
    if made is None:
        assert math.inf not in upto or not all(map(math.isfinite, upto.values()))
        assert dropped.remarks()
        return
    assert len(made.bounds) == len(made.counts)
    assert all(count >= 0 for count in made.counts)


TABLES = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["(", "{}", "a_total", "5..", "{}(x)", "ms"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "requests",
                    "latency",
                    "labels",
                    "counters",
                    "where",
                    "code",
                    "errors",
                    "endpoint",
                    "label",
                    "pattern",
                    "value",
                    "unit",
                    "histogram",
                    "mean_sum",
                    "rank",
                    "summary",
                    "x",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["requests", "latency", "labels", "rank", "family", "odd"]), TABLES))
def test_a_wrong_preset_names_its_key(raw: dict[str, Any]) -> None:
    said = ""
    try:
        preset = read_preset("mine", raw)
    except PresetError as error:
        said = str(error)
    assert ":" in said or (preset.requests and preset.rule("endpoint").told())


@given(st.text(max_size=30))
def test_a_text_stays_one_text_in_a_query(text: str) -> None:
    quoted = promql.quoted(text)
    assert re.fullmatch(r'"(?:[^"\\\n]|\\.)*"', quoted, re.DOTALL)
    assert re.sub(r"\\(.)", lambda found: {"n": "\n"}.get(found[1], found[1]), quoted[1:-1]) == text


@pytest.mark.parametrize(
    ("pattern", "value", "name"),
    [
        ("{}", "churn", "churn"),
        ("{}(?:-predictor)?", "churn-predictor", "churn"),
        ("{}(?:-predictor)?", "churn", "churn"),
        ("{}-(?:deployment-)?[a-f0-9]+-[a-z0-9]+", "a-predictor-00002-deployment-5c4b3a2f1-fghij", "a-predictor-00002"),
        ("{}-[a-f0-9]+-[a-z0-9]+", "churn-blue-5c4b3a2f1-fgh7j", "churn-blue"),
        ("{}-[a-f0-9]+-[a-z0-9]+", "other", ""),
    ],
)
def test_a_name_is_cut_out_of_a_label(pattern: str, value: str, name: str) -> None:
    rule = LabelRule("pod", pattern)
    assert rule.read({"pod": value}) == name
    preset = find_presets(AUTO)[0]
    if name and not rule.whole:
        narrowed = promql.about(
            read_preset(
                "p", {"requests": {"counters": ["a"]}, "labels": {"endpoint": {"label": "pod", "pattern": pattern}}}
            ),
            Subject(name),
        )
        assert narrowed is not None
        assert re.fullmatch(narrowed[0][2], value), "and a query for that name finds the label"
    assert preset.name == "lab"


def test_a_name_in_a_query_is_no_pattern() -> None:
    """Of the variants v1.2 and v1x2 only the one that was asked for is counted."""
    label = {"label": "pod", "pattern": "{}-[a-f0-9]+-[a-z0-9]+"}
    raw = {"requests": {"counters": ["a"]}, "labels": {"endpoint": {"label": "model"}, "variant": label}}
    made = promql.about(read_preset("p", raw), Subject("churn", "v1.2"))
    assert made is not None
    (expression,) = [value for name, operator, value in made if (name, operator) == ("pod", "=~")]
    assert re.fullmatch(expression, "v1.2-5c4b3a2f1-fgh7j")
    assert not re.fullmatch(expression, "v1x2-5c4b3a2f1-fgh7j")


def test_where_may_exclude() -> None:
    assert admits({"handler": "!/metrics|/health.*"}, {"handler": "/predict"})
    assert not admits({"handler": "!/metrics|/health.*"}, {"handler": "/healthz"})
    assert not admits({"reporter": "source"}, {"reporter": "destination"})


@given(st.floats(min_value=0, max_value=4e9))
def test_times_go_there_and_back(at: float) -> None:
    assert moment(rfc3339(at), "it") == pytest.approx(at, abs=0.002)


def test_alerts_say_what_keeps_them_quiet() -> None:
    def alert(**status: object) -> dict[str, object]:
        return {
            "labels": {"alertname": "A", "namespace": "ml", "inferenceservice": "churn", "severity": "page"},
            "annotations": {"summary": "it\nfails"},
            "startsAt": "2026-11-21T01:07:19.630123456Z",
            "fingerprint": "f",
            "status": status,
        }

    found = alertmanager.read_alerts(
        [
            alert(state="active", silencedBy=[], inhibitedBy=[]),
            alert(state="unprocessed"),
            alert(state="suppressed", silencedBy=["s"], inhibitedBy=["x"]),
            alert(state="suppressed", silencedBy=[], inhibitedBy=["x"]),
            alert(state="suppressed", mutedBy=["weekend"]),
        ],
        LABELS,
        "am",
        "it",
    )
    firing, silenced, inhibited = AlertState.FIRING, AlertState.SILENCED, AlertState.INHIBITED
    assert [one.state for one in found] == [firing, firing, silenced, inhibited, silenced]
    assert found[2].silenced_by == ("s",)
    assert (found[0].subject, found[0].summary, found[0].source) == (Subject("churn", "", "ml"), "it fails", "am")


# ── the law of readers: one damaged item changes nothing about the others ───────────────────────────────────────

GOOD = st.builds(
    lambda name, value: {"metric": {"endpoint": name}, "value": [1.0, str(value)]}, st.text(max_size=4), st.integers()
)
BAD = (JSON | SERIES.map(lambda found: found[0] if found else None)).filter(
    lambda one: not (isinstance(one, dict) and ("histogram" in one or _well_formed(one)))
)


def _well_formed(one: object) -> bool:
    with suppress(BackendError):
        return bool(read_vector(read_envelope(envelope([one], "vector"), "it"), "it", Dropped()))
    return False


@given(st.lists(GOOD, min_size=1, max_size=4), BAD, st.integers(0, 4))
def test_one_damaged_series_of_an_answer_takes_nothing_with_it(
    good: list[dict[str, object]], bad: object, at: int
) -> None:
    whole, told = Dropped(), Dropped()
    before = read_vector(read_envelope(envelope(good, "vector"), "it"), "it", whole)
    after = read_vector(read_envelope(envelope([*good[:at], bad, *good[at:]], "vector"), "it"), "it", told)
    assert (after, whole.remarks()) == (before, ())
    assert told.remarks()


def test_an_answer_of_which_nothing_can_be_read_is_an_error() -> None:
    with pytest.raises(Malformed):
        read_vector(read_envelope(envelope([1, None], "vector"), "it"), "it", Dropped())


@pytest.mark.parametrize("place", ["top", "data"])
def test_what_victoriametrics_marks_as_partial_is_incomplete(place: str) -> None:
    raw = envelope([], "vector")
    into = raw if place == "top" else raw["data"]
    assert isinstance(into, dict)
    into["isPartial"] = True
    assert read_envelope(raw, "it").partial
    into["isPartial"] = False
    assert not read_envelope(raw, "it").partial


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text", ["None", "none", "not available", "unknown", "${VERSION}", "$(VERSION)", "{{ .Version }}", "<no value>", ""]
)
def test_a_placeholder_is_no_name_and_the_next_rule_counts(text: str) -> None:
    pod = LabelRule("pod", "{}-[a-f0-9]+-[a-z0-9]+")
    rule = LabelRule("version", other=pod)
    labels = {"version": text, "pod": "churn-v2-5c4b3a2f1-fgh7j"}
    assert rule.read(labels) == "churn-v2"
    assert LabelRule("version").read(labels) == ""
    assert rule.read({**labels, "version": "v7"}) == "v7"


def test_labels_in_turn_are_read_alike_from_a_query_and_from_a_target() -> None:
    preset = read_preset(
        "mine",
        {
            "requests": {"counters": ["a_total"]},
            "labels": {
                "endpoint": "model",
                "variant": ["version", {"label": "pod", "pattern": "{}-[0-9]"}, {"value": "it"}],
            },
        },
    )
    query = promql.by(preset, "sum", "x")
    assert query.startswith("sum by (model,version,shiftdeck_variant1) (label_replace(x,")
    whose = promql.Owners(preset)
    assert whose({"model": "m", "version": "None", "shiftdeck_variant1": "blue"})[0] == Subject("m", "blue")
    assert whose({"model": "m", "version": "v1", "shiftdeck_variant1": "blue"})[0] == Subject("m", "v1")
    assert whose({"model": "m", "version": "not available"})[0] == Subject("m", "it")
    assert preset.whose({"model": "m", "version": "None", "pod": "blue-1"})[0] == Subject("m", "blue")
    assert preset.rule("variant").told() == "version, else pod as {}-[0-9], else always it"
    assert promql.about(preset, Subject("m", "v1")) == [("model", "=", "m")]
    assert promql.matches(Subject("m", "v1", "ml"), Subject("m"))
    assert not promql.matches(Subject("m", "v1", "ml"), Subject("m", "v2"))
