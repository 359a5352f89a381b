"""The text format, as targets write it and as they get it wrong."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import Malformed
from backends.metrics import exposition
from backends.metrics.exposition import Parser, Wanted

WANTED = Wanted(counters=frozenset({"requests_total", "seconds_bucket"}), gauges=frozenset({"temperature"}))

GOOD = """\
# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{endpoint="a",code="200"} 12
requests_total{endpoint="a",code="500"} 3 1700000000000
# TYPE seconds histogram
seconds_bucket{endpoint="a",le="0.1"} 5
seconds_bucket{endpoint="a",le="+Inf"} 7 # {trace_id="x"} 0.5 1700000000.1
seconds_sum{endpoint="a"} 1.5
seconds_count{endpoint="a"} 7
temperature{where="say \\"hi\\", {x} \\\\ \\n"} NaN
temperature 21.5
something_else{a="b"} 1
"""


def read(text: str) -> dict[str, float]:
    scrape = Parser(WANTED).read(text)
    return {" ".join([one.name, *one.labels.values()]): scrape.values[key] for key, one in scrape.series.items()}


def test_values_of_what_is_wanted() -> None:
    values = read(GOOD)
    assert values["requests_total a 200"] == 12
    assert values["requests_total a 500"] == 3, "a time stamp is not the value"
    assert values["seconds_bucket a +Inf"] == 7, "an exemplar is not the value"
    assert values["temperature"] == 21.5
    assert math.isnan(values['temperature say "hi", {x} \\ \n'])
    assert not any(name.startswith(("something", "seconds_sum")) for name in values)


def test_a_second_scrape_reads_the_same_series() -> None:
    parser = Parser(WANTED)
    first = parser.read(GOOD)
    second = parser.read(GOOD.replace('code="200"} 12', 'code="200"} 20'))
    assert first.series.keys() == second.series.keys()
    changed = [key for key in first.values if key.startswith("requests") and first.values[key] != second.values[key]]
    assert [(first.values[key], second.values[key]) for key in changed] == [(12, 20)]


def test_the_order_of_labels_does_not_make_another_series() -> None:
    parser = Parser(WANTED)
    one = parser.read('requests_total{a="1",b="2"} 1\n')
    other = parser.read('requests_total{b="2",a="1"} 2\n')
    assert one.values.keys() == other.values.keys()


def test_wanting_more_finds_what_was_passed_over() -> None:
    parser = Parser(WANTED)
    parser.read(GOOD)
    parser.want(Wanted(gauges=frozenset({"something_else"})))
    assert any(one.name == "something_else" for one in parser.read(GOOD).series.values())


@pytest.mark.parametrize("name", ["something_else", "temperature", "seconds_bucket", "seconds_count", "nothing"])
def test_what_is_wanted_later_is_read_from_the_text_of_the_scrape(name: str) -> None:
    more = Wanted(gauges=frozenset({name}))
    parser = Parser(Wanted(counters=frozenset({"requests_total"})))
    scrape = parser.also(more, parser.read(GOOD), GOOD)
    whole = Parser(parser.wanted).read(GOOD)
    assert (repr(scrape.values), scrape.declared) == (repr(whole.values), whole.declared)
    assert scrape.series.keys() == whole.series.keys()
    assert parser.also(more, scrape, GOOD) is scrape
    assert parser.read(GOOD).values.keys() == whole.values.keys(), "and kept in the next scrape"


def test_what_is_wanted_later_and_is_wrong_is_told_with_its_line() -> None:
    text = 'requests_total{a="1"} 1\ntemperature much\n'
    parser = Parser(Wanted(counters=frozenset({"requests_total"})))
    scrape = parser.also(Wanted(gauges=frozenset({"temperature"})), parser.read(text), text)
    assert list(scrape.values.values()) == [1]
    assert scrape.remarks == ("dropped: value is no number (line 2: temperature much)",)


def test_a_metric_without_series_is_declared() -> None:
    declared = Parser(WANTED).read("# TYPE requests counter\n# TYPE seconds histogram\n").declared
    assert {"requests_total", "seconds_bucket"} <= declared
    assert "temperature" not in declared


NO_FORMAT = [
    ("", "empty"),
    (" \n\n", "empty"),
    ("<html><body>502</body></html>\n", "no sample: line 1"),
    ("<html>\nCopyright 2024\n</html>\n", "no sample: line 1"),
    ('{"error": "no"}\n', "no sample: line 1"),
]
DAMAGED = [
    ('requests_total{endpoint="b"}', "no sample"),
    ("requests_total{endpoi", "no sample"),
    ("requests_total one", "value is no number"),
    ('requests_total{endpoint="b} 1', "no sample"),
    ("requests_total{endpoint=b} 1", "labels do not parse"),
    ('requests_total{a="1",a="2"} 1', "labels do not parse"),
    ('{code="200"} 1', "sample without a name"),
    ('requests_total{a="1"} NaN', "counter NaN"),
    ('requests_total{a="1"} +Inf', "counter +Inf"),
    ('requests_total{a="1"} -1', "counter -1"),
    ('seconds_bucket{a="1"} 1', "bucket without a number in its label le"),
    ('seconds_bucket{le="wide"} 1', "bucket without a number in its label le"),
    ('seconds_bucket{le="NaN"} 1', "bucket without a number in its label le"),
    ('seconds_bucket{le="1"} 1', "histogram without a +Inf bucket"),
    ('seconds_bucket{le="+Inf"} 1\nseconds_bucket{le="1"} 2', "histogram whose buckets are not cumulative"),
    ('seconds_bucket{le="+Inf"} 2\nseconds_bucket{le="1"} NaN', "counter NaN"),
]
"""A line or two that are damaged, and the reason for which they are dropped."""


@pytest.mark.parametrize(("text", "reason"), NO_FORMAT + [(f"\n{text}\n", reason) for text, reason in DAMAGED])
def test_a_text_of_which_nothing_can_be_read_is_an_error(text: str, reason: str) -> None:
    with pytest.raises(Malformed) as caught:
        Parser(WANTED).read(text)
    assert reason in caught.value.message


OTHERS = 'requests_total{endpoint="z"} 7\nseconds_bucket{z="z",le="1"} 1\nseconds_bucket{z="z",le="+Inf"} 2\n'


@pytest.mark.parametrize(("text", "reason"), DAMAGED)
def test_a_damaged_line_takes_nothing_with_it_and_is_told(text: str, reason: str) -> None:
    whole = Parser(WANTED).read(OTHERS)
    for around in (f"{OTHERS}{text}\n", f"{text}\n{OTHERS}", f"{OTHERS}{text}"):
        scrape = Parser(WANTED).read(around)
        assert scrape.values == whole.values
        assert any(reason in remark for remark in scrape.remarks)
    assert whole.remarks == ()


def test_of_a_series_that_is_there_twice_the_first_counts() -> None:
    scrape = Parser(WANTED).read('requests_total{a="1",b="2"} 480\nrequests_total{b="2",a="1"} 61\n' + OTHERS)
    assert sorted(scrape.values.values()) == [1, 2, 7, 480]
    (remark,) = scrape.remarks
    assert "series twice" in remark
    assert "line 2" in remark


def test_a_text_needs_no_last_line_break() -> None:
    assert read('requests_total{a="1"} 12') == {"requests_total 1": 12}


def test_names_in_quotes_are_read() -> None:
    scrape = Parser(WANTED | Wanted(gauges=frozenset({"http.server.duration"}))).read(
        '# TYPE "http.server.requests" counter\n'
        '{"requests_total","model.name"="a",code="200"} 5 # {"trace.id"="a1"} 0.3 1763700000.1\n'
        '{"http.server.duration"} 2.5\n'
    )
    assert sorted((one.name, dict(one.labels), scrape.values[key]) for key, one in scrape.series.items()) == [
        ("http.server.duration", {}, 2.5),
        ("requests_total", {"model.name": "a", "code": "200"}, 5),
    ]
    assert "http.server.requests" in scrape.declared
    assert scrape.remarks == ()


def test_time_stamps_are_told_in_seconds() -> None:
    scrape = Parser(WANTED).read('requests_total{a="1"} 1 1700000000000\nrequests_total{a="2"} 1 1700000000.5\n')
    assert sorted(scrape.stamps.values()) == [1_700_000_000, 1_700_000_000.5]


def test_a_foreign_line_is_quoted_short_and_harmless() -> None:
    with pytest.raises(Malformed) as caught:
        Parser(WANTED).read("\x1b[2J" + "x" * 10_000 + "\n")
    assert len(caught.value.message) < 200
    assert "\x1b" not in caught.value.message


def test_a_long_line_of_blanks_is_read_in_no_time() -> None:
    with pytest.raises(Malformed):
        Parser(WANTED).read("requests_total" + " " * 1_000_000 + "#\n")


NAMES = ("requests_total", "seconds_bucket", "temperature", "# TYPE", "counter", "# EOF", "é")
SIGNS = ("{", "}", '"', "le=", 'le="1"', 'a="b"', ",", "\\", "#", " ", "\n", "\t", "\r", "\x00", "\x85")
NUMBERS = ("1", "NaN", "+Inf", "1_0", "e9")
fragments = st.sampled_from(NAMES + SIGNS + NUMBERS)


@given(st.one_of(st.text(), st.lists(fragments).map("".join)))
def test_foreign_text_is_read_or_malformed(text: str) -> None:
    parser = Parser(WANTED)
    for _ in range(2):  # the second time from what the first remembered
        try:
            scrape = parser.read(text + "\n")
        except Malformed:
            continue
        assert scrape.values.keys() == scrape.series.keys()


labels = st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), st.text(max_size=8), max_size=3)


@given(st.dictionaries(labels.map(lambda one: tuple(sorted(one.items()))), st.floats(0, 1e12), max_size=8))
def test_what_the_reference_library_writes_is_read_back(series: dict[tuple[tuple[str, str], ...], float]) -> None:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import CounterMetricFamily
    from prometheus_client.exposition import generate_latest
    from prometheus_client.registry import Collector
    from prometheus_client.samples import Sample

    class World(Collector):
        def collect(self) -> list[CounterMetricFamily]:
            family = CounterMetricFamily("requests", "Requests.")
            for pairs, value in series.items():
                family.samples.append(Sample("requests_total", dict(pairs), value))
            return [family]

    registry = CollectorRegistry(auto_describe=False)
    registry.register(World())
    scrape = Parser(WANTED).read(generate_latest(registry).decode())
    back = {tuple(sorted(one.labels.items())): scrape.values[key] for key, one in scrape.series.items()}
    assert back == series


text_of_label = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='"\\\n'), max_size=8)
plain = st.lists(st.tuples(st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,3}", fullmatch=True), text_of_label), min_size=1)


@given(plain, st.sampled_from(["", ","]))
def test_plain_labels_are_read_as_the_reference_library_reads_them(pairs: list[tuple[str, str]], end: str) -> None:
    text = "{" + ",".join(f'{name}="{value}"' for name, value in pairs) + end + "}"
    found = exposition._plain_labels(text)
    if found is None:
        names = [name for name, _ in pairs]
        assert len(set(names)) < len(names) or any(name.startswith("__") for name in names)
    else:
        assert found == exposition._labels("requests_total" + text)


@pytest.mark.parametrize("text", ['{a="1", b="2"}', '{a="\\n"}', '{"a"="1"}', "{a=1}", '{__a="1"}', '{a="1"}{b="2"}'])
def test_all_other_labels_are_left_to_the_library(text: str) -> None:
    assert exposition._plain_labels(text) is None


def test_plain_labels_cost_no_import_of_the_library() -> None:
    program = """
import sys
from backends.metrics.exposition import Parser, Wanted
Parser(Wanted(frozenset({"requests_total"}))).read('requests_total{endpoint="a",code="200"} 12\\nrequests_total 1\\n')
print("prometheus_client" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


# ── the law of readers: one damaged item changes nothing about the others ───────────────────────────────────────


def exposed(endpoints: int) -> list[str]:
    return [
        line
        for number in range(endpoints)
        for line in (
            f'requests_total{{endpoint="e{number}",code="200"}} {number + 10}',
            f'requests_total{{endpoint="e{number}",code="500"}} {number + 1}',
            f'seconds_bucket{{endpoint="e{number}",le="0.1"}} {number + 2}',
            f'seconds_bucket{{endpoint="e{number}",le="+Inf"}} {number + 11}',
        )
    ]


@given(
    st.integers(0, 11),
    st.one_of(
        st.text(st.characters(exclude_characters="\n#<"), min_size=1).filter(lambda text: not text.isspace()),
        st.sampled_from(["NaN", "x", '"}', "{", '{le="'] + [text.split("\n")[0] for text, _ in DAMAGED]),
    ),
    st.integers(0, 60),
)
def test_one_damaged_line_changes_nothing_about_other_endpoints(at: int, noise: str, cut: int) -> None:
    lines = exposed(3)
    whole = Parser(WANTED).read("\n".join(lines))
    damaged = [*lines[:at], lines[at][:cut] + noise, *lines[at + 1 :]]
    scrape = Parser(WANTED).read("\n".join(damaged))
    hit = f"e{at // 4}"
    others = {key: value for key, value in whole.values.items() if whole.series[key].labels["endpoint"] != hit}
    assert {key: scrape.values.get(key) for key in others} == others
