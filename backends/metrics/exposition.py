"""Parses the Prometheus text format: from the text of a scrape to the values of the wanted series.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text 0.0.4). The additions of OpenMetrics 1.0 to a
line (a time stamp in seconds, an exemplar, ``# EOF``) are accepted and ignored. Nearly every target writes labels
without blanks and escapes; a regular expression parses these. ``prometheus_client`` parses all others: it reads
character by character, 0.1 ms a line, and takes 30 ms to import. The text before a value hardly ever changes between
scrapes, so each such text is parsed once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from backends.errors import Malformed

MAX_KNOWN = 200_000  # series texts remembered between scrapes
SHOWN = 80  # characters of a foreign line quoted in a message

# All quantifiers are possessive, so that no line from outside can make the match backtrack.
_SAMPLE = re.compile(
    r"""(?P<series>(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*+)[ \t]*+(?:\{(?:[^"{}]|"(?:[^"\\\n]|\\.)*+")*+\})?+)
        [ \t]*+(?<=[ \t}])(?P<value>[^ \t#]++)
        (?:[ \t]++[-+]?[0-9.]++(?:[eE][-+]?[0-9]++)?)?
        (?:[ \t]++\#[ \t].*+)?[ \t]*+""",
    re.VERBOSE,
)
_LABEL = r'(?!__)[a-zA-Z_][a-zA-Z0-9_]*+="[^"\\\n]*+"'
_PLAIN_LABELS = re.compile(rf"\{{{_LABEL}(?:,{_LABEL})*+,?\}}")
_PARTS = re.compile(r'([^{,=]+)="([^"]*)"')  # of plain labels only
_TYPE = re.compile(r"#[ \t]+TYPE[ \t]+(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]+(?P<type>[a-z]+)[ \t]*")
_SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "counter": ("", "_total"),
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("", "_count", "_sum"),
}


@dataclass(frozen=True, slots=True, eq=False)
class SeriesId:
    """One series. ``key`` does not depend on the order of the labels.

    For a bucket, ``bound`` is its upper bound, and ``family`` is the key of its histogram.
    """

    key: str
    name: str
    labels: Mapping[str, str]
    bound: float | None = None
    family: str = ""


@dataclass(frozen=True, slots=True)
class Scrape:
    """The content of one scrape.

    ``values`` and ``series`` are by ``SeriesId.key`` and hold the wanted series. ``declared`` holds the name of every
    sample in the scrape, and of every sample that a TYPE line announces.
    """

    values: Mapping[str, float]
    series: Mapping[str, SeriesId]
    declared: frozenset[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The names of the samples to keep. ``counters`` must be finite and not negative; ``gauges`` can have any value."""

    counters: frozenset[str] = frozenset()
    gauges: frozenset[str] = frozenset()

    def __contains__(self, name: str) -> bool:
        return name in self.counters or name in self.gauges

    def __or__(self, other: Wanted) -> Wanted:
        return Wanted(self.counters | other.counters, self.gauges | other.gauges)


@dataclass(slots=True)
class Parser:
    """Parses the scrapes of one target, and keeps the parsed texts of series between them. Not thread-safe."""

    wanted: Wanted
    _known: dict[str, SeriesId | str] = field(default_factory=dict)  # by series text; only the name if it is unwanted
    _declared: dict[str, frozenset[str]] = field(default_factory=dict)  # by comment line

    def want(self, more: Wanted) -> None:
        """Keep these samples as well from now on."""
        merged = self.wanted | more
        if merged != self.wanted:
            self.wanted = merged
            passed = [text for text, known in self._known.items() if isinstance(known, str) and known in merged]
            for text in passed:
                del self._known[text]

    def read(self, text: str) -> Scrape:
        """The wanted values of one scrape.

        Raises:
            Malformed: the text is empty, cut off, or not in the format; a series occurs twice; a counter is not a
                finite number ≥ 0; a histogram has no +Inf bucket, or its buckets are not cumulative. The message
                gives the line.
        """
        if not text.strip():
            raise Malformed("the answer is empty", hint="check that the url is the one that serves metrics")
        if not text.endswith("\n") and not text.endswith("# EOF"):
            count = text.count("\n") + 1
            raise Malformed(f"the answer is cut off: line {count} does not end", hint="the target may be restarting")
        if len(self._known) > MAX_KNOWN:
            self._known.clear()
        values: dict[str, float] = {}
        series: dict[str, SeriesId] = {}
        declared: set[str] = set()
        for number, line in enumerate(text.split("\n"), 1):
            if not line or line.isspace():
                continue
            if line[0] == "#":
                declared |= self._declares(line)
                continue
            head, _, number_text = line.rpartition(" ")
            known = self._known.get(head)
            if known is None:
                known, number_text = self._learn(line, number)
            if isinstance(known, str):
                declared.add(known)
                continue
            value = self._value(known, number_text, line, number)
            if known.key in values:
                raise Malformed(f"line {number}: the series is there twice: {_shown(line)}")
            values[known.key] = value
            series[known.key] = known
        declared.update(one.name for one in series.values())
        _check_histograms(values, series.values())
        return Scrape(values, series, frozenset(declared))

    def also(self, wanted: Wanted, scrape: Scrape, text: str) -> Scrape:
        """``scrape`` with the ``wanted`` samples added. They are kept from now on. ``text`` is the text of the scrape.

        Raises:
            Malformed: as ``read`` does.
        """
        if self.wanted | wanted == self.wanted:
            return scrape
        self.want(wanted)
        names = tuple(wanted.counters | wanted.gauges)
        lines = [line for line in text.split("\n") if line.startswith(names)]
        if not lines:
            return scrape
        try:
            more = self.read("\n".join([*lines, ""]))
        except Malformed:
            return self.read(text)  # raises again, with the line's number in the whole text
        return Scrape({**scrape.values, **more.values}, {**scrape.series, **more.series}, scrape.declared)

    def _declares(self, line: str) -> frozenset[str]:
        known = self._declared.get(line)
        if known is None:
            match = _TYPE.fullmatch(line)
            known = frozenset[str]()
            if match is not None:
                known = frozenset(match["name"] + suffix for suffix in _SUFFIXES.get(match["type"], ("",)))
            if len(self._declared) > MAX_KNOWN:
                self._declared.clear()
            self._declared[line] = known
        return known

    def _learn(self, line: str, number: int) -> tuple[SeriesId | str, str]:
        match = _SAMPLE.fullmatch(line)
        if match is None:
            raise Malformed(f"line {number} is not a sample: {_shown(line)}", hint="check that the url serves metrics")
        text, name = match["series"].rstrip(), match["name"]
        known = self._known.get(text)
        if known is None:
            known = _series(text, name, line, number) if name in self.wanted else name
            self._known[text] = known
        return known, match["value"]

    def _value(self, series: SeriesId, text: str, line: str, number: int) -> float:
        try:
            value = float(text)
        except ValueError:
            raise Malformed(f"line {number}: {_shown(text)} is not a number: {_shown(line)}") from None
        if series.name in self.wanted.counters and not (math.isfinite(value) and value >= 0):
            raise Malformed(f"line {number}: a counter cannot be {_shown(text)}: {_shown(line)}")
        return value


def _series(text: str, name: str, line: str, number: int) -> SeriesId:
    labels = _plain_labels(text[len(name) :])
    if labels is None:
        labels = _labels(text, line, number)
    bound: float | None = None
    family = ""
    if name.endswith("_bucket"):
        try:
            bound = float(labels["le"])
        except (KeyError, ValueError):
            raise Malformed(f"line {number}: a bucket without a number in its label le: {_shown(line)}") from None
        if math.isnan(bound):
            raise Malformed(f"line {number}: a bucket's bound cannot be NaN: {_shown(line)}")
        family = _key(name, {key: value for key, value in labels.items() if key != "le"})
    return SeriesId(_key(name, labels), name, labels, bound, family)


def _plain_labels(text: str) -> dict[str, str] | None:
    """The labels in ``text`` ("{…}" or ""); ``None`` if ``prometheus_client`` has to parse them."""
    if not text:
        return {}
    if _PLAIN_LABELS.fullmatch(text) is None:
        return None
    pairs = _PARTS.findall(text)
    labels = dict(pairs)
    return labels if len(labels) == len(pairs) else None


def _labels(text: str, line: str, number: int) -> dict[str, str]:
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(f"{text} 0\n"))
        (sample,) = families[0].samples
    except Exception:  # noqa: BLE001  the parser documents no errors, and raises several kinds
        raise Malformed(f"line {number}: the labels do not parse: {_shown(line)}") from None
    return dict(sample.labels)


def _key(name: str, labels: Mapping[str, str]) -> str:
    return name + repr(sorted(labels.items()))


def _check_histograms(values: Mapping[str, float], series: Iterable[SeriesId]) -> None:
    """Raise ``Malformed`` unless the buckets of each histogram are cumulative and end in +Inf."""
    families: dict[str, list[tuple[float, float]]] = {}
    for one in series:
        if one.bound is not None:
            families.setdefault(one.family, []).append((one.bound, values[one.key]))
    for family, buckets in families.items():
        buckets.sort()
        if buckets[-1][0] != math.inf:
            raise Malformed(f"the histogram {_shown(family)} has no +Inf bucket")
        if any(low[1] > high[1] for low, high in pairwise(buckets)):
            raise Malformed(f"the buckets of {_shown(family)} are not cumulative")


def _shown(text: str) -> str:
    """A text from outside, without unprintable characters and at most ``SHOWN`` characters long."""
    clean = "".join(char if char.isprintable() else "�" for char in text[: SHOWN + 1])
    return clean if len(clean) <= SHOWN else clean[:SHOWN] + "…"


def escaped(value: str) -> str:
    """A label's value, escaped for the text format."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
