"""Parses the Prometheus text format: from the text of a scrape to the values of the wanted series.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text 0.0.4), with quoted names in braces
(``{"http.requests",code="200"} 1``), which servers send since Prometheus 3. The additions of OpenMetrics 1.0 to a line
(a time stamp in seconds, an exemplar, ``# EOF``) are accepted. Nearly every target writes labels without blanks and
escapes; a regular expression parses these. ``prometheus_client`` parses all others: it reads character by character,
0.1 ms a line, and takes 30 ms to import. The text before a value hardly ever changes between scrapes, so each such text
is parsed once.

A damaged line, series or histogram is dropped and told in the remarks of the scrape; all others count. The last line
needs no line break: the HTTP client has found the answer to be whole.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from backends.dropped import Dropped, shown
from backends.errors import Malformed

NEWLINE = "\n"
MAX_KNOWN = 200_000  # series texts remembered between scrapes
MILLISECONDS = 1e11  # a time stamp above this is in milliseconds (text 0.0.4), one below in seconds (OpenMetrics)

# All quantifiers are possessive, so that no line from outside can make the match backtrack.
_BRACES = r'\{(?:[^"{}]|"(?:[^"\\\n]|\\.)*+")*+\}'
_SAMPLE = re.compile(
    rf"""(?P<series>(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*+)[ \t]*+(?:{_BRACES})?+|{_BRACES})
        [ \t]*+(?<=[ \t}}])(?P<value>[^ \t\#]++)
        (?:[ \t]++(?P<time>[-+]?[0-9.]++(?:[eE][-+]?[0-9]++)?))?
        (?:[ \t]++\#[ \t].*+)?[ \t]*+""",
    re.VERBOSE,
)
_QUOTED = r'"(?P<quoted>(?:[^"\\\n]|\\.)*+)"'
_QUOTED_NAME = re.compile(rf"\{{[ \t]*+{_QUOTED}[ \t]*+[,}}]")
_LABEL = r'(?!__)[a-zA-Z_][a-zA-Z0-9_]*+="[^"\\\n]*+"'
_PLAIN_LABELS = re.compile(rf"\{{{_LABEL}(?:,{_LABEL})*+,?\}}")
_PARTS = re.compile(r'([^{,=]+)="([^"]*)"')  # of plain labels only
_TYPE = re.compile(rf"#[ \t]+TYPE[ \t]+(?:(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)|{_QUOTED})[ \t]+(?P<type>[a-z]+)[ \t]*")
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
    sample in the scrape, and of every sample that a TYPE line announces. ``damaged`` are wanted series that are there
    without a usable value; all buckets of a damaged histogram are. ``stamps`` holds the Unix seconds of the series that
    have a time stamp. ``remarks`` say what was dropped.
    """

    values: Mapping[str, float]
    series: Mapping[str, SeriesId]
    declared: frozenset[str]
    damaged: tuple[SeriesId, ...] = ()
    stamps: Mapping[str, float] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


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
class _Reading:
    """A scrape while it is read."""

    values: dict[str, float] = field(default_factory=dict)
    series: dict[str, SeriesId] = field(default_factory=dict)
    declared: set[str] = field(default_factory=set)
    damaged: dict[str, SeriesId] = field(default_factory=dict)
    stamps: dict[str, float] = field(default_factory=dict)
    dropped: Dropped = field(default_factory=Dropped)
    samples: int = 0  # lines that are samples, wanted or not

    def damage(self, series: SeriesId) -> None:
        self.damaged[series.key] = series
        self.values.pop(series.key, None)
        self.series.pop(series.key, None)

    def done(self) -> Scrape:
        self.declared.update(one.name for one in (*self.series.values(), *self.damaged.values()))
        damaged = tuple(self.damaged.values())
        remarks = self.dropped.remarks()
        return Scrape(self.values, self.series, frozenset(self.declared), damaged, self.stamps, remarks)


class _Unreadable(Exception):
    """A line that is dropped. ``reason`` is for the remark."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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

        Dropped, and told in its remarks, are: a line that is not a sample; a second sample of a series; a value that
        is not a number; a counter that is not a finite number ≥ 0; a histogram without a +Inf bucket, with a damaged
        bucket, or whose buckets are not cumulative.

        Raises:
            Malformed: the text is empty, nothing in it is a sample, or all that is wanted is damaged. The message gives
                the first reason.
        """
        if not text.strip():
            raise Malformed("the answer is empty", hint="check that the url is the one that serves metrics")
        if text.lstrip()[:1] == "<":  # a page of a proxy can have lines that look like samples
            raise _nothing("no sample", f"line 1: {shown(text.lstrip().split(NEWLINE, 1)[0])}")
        if len(self._known) > MAX_KNOWN:
            self._known.clear()
        found = _Reading()
        first = self._read_lines(text, found)
        if first is not None and not found.samples:
            raise _nothing(*first)
        _check_histograms(found)
        if found.damaged and not found.values:
            raise _nothing(*found.dropped.first)
        return found.done()

    def _read_lines(self, text: str, found: _Reading) -> tuple[str, str] | None:
        """Read all lines; returns why the first that is not a sample is none, and that line."""
        first: tuple[str, str] | None = None
        for number, line in enumerate(text.split("\n"), 1):
            if not line or line.isspace():
                continue
            if line[0] == "#":
                found.declared |= self._declares(line)
                continue
            head, _, value = line.rpartition(" ")
            known, stamp = self._known.get(head), ""
            if known is None:
                try:
                    known, value, stamp = self._learn(line)
                except _Unreadable as error:
                    first = first or (error.reason, f"line {number}: {shown(line)}")
                    found.dropped.add(error.reason, f"line {number}: {shown(line)}")
                    continue
            found.samples += 1
            if isinstance(known, str):
                found.declared.add(known)
            else:
                self._take(known, value, stamp, f"line {number}: {shown(line)}", found)
        return first

    def also(self, wanted: Wanted, scrape: Scrape, text: str) -> Scrape:
        """``scrape`` with the ``wanted`` samples added. They are kept from now on. ``text`` is the text of the scrape.

        Raises:
            Malformed: as ``read`` does.
        """
        if self.wanted | wanted == self.wanted:
            return scrape
        self.want(wanted)
        return self.read(text)

    def _declares(self, line: str) -> frozenset[str]:
        known = self._declared.get(line)
        if known is None:
            match = _TYPE.fullmatch(line)
            known = frozenset[str]()
            if match is not None:
                name = match["name"] or match["quoted"]
                known = frozenset(name + suffix for suffix in _SUFFIXES.get(match["type"], ("",)))
            if len(self._declared) > MAX_KNOWN:
                self._declared.clear()
            self._declared[line] = known
        return known

    def _learn(self, line: str) -> tuple[SeriesId | str, str, str]:
        """The series of a line, or its name alone if it is unwanted, with the texts of value and time stamp.

        Raises:
            _Unreadable: the line is not a sample.
        """
        match = _SAMPLE.fullmatch(line)
        if match is None:
            raise _Unreadable("no sample")
        text = match["series"].rstrip()
        known = self._known.get(text)
        if known is None:
            name = match["name"] or _quoted_name(text)
            known = _series(text, name) if name in self.wanted else name
            self._known[text] = known
        return known, match["value"], match["time"] or ""

    def _take(self, series: SeriesId, value_text: str, stamp: str, where: str, found: _Reading) -> None:
        if series.key in found.values or series.key in found.damaged:
            # As in Prometheus, the first sample counts: the sum, or the last, would jump between scrapes.
            found.dropped.add("series twice: its numbers are not to be trusted", where)
            return
        try:
            value = float(value_text)
        except ValueError:
            found.dropped.add("value is no number", where)
            found.damage(series)
            return
        if series.name in self.wanted.counters and not (math.isfinite(value) and value >= 0):
            found.dropped.add(f"counter {shown(value_text)}", where)
            found.damage(series)
            return
        found.values[series.key] = value
        found.series[series.key] = series
        if stamp:
            at = _number(stamp)
            if at is not None:
                found.stamps[series.key] = at / 1000 if abs(at) > MILLISECONDS else at


def _nothing(reason: str, where: str) -> Malformed:
    return Malformed(f"nothing in the answer can be read: {reason}: {where}", hint="check that the url serves metrics")


def _quoted_name(text: str) -> str:
    """The name in ``{"name",label="value"}``.

    Raises:
        _Unreadable: there is none.
    """
    match = _QUOTED_NAME.match(text)
    if match is None:
        raise _Unreadable("sample without a name")
    return re.sub(r"\\(.)", r"\1", match["quoted"])


def _series(text: str, name: str) -> SeriesId:
    """Raises:
    _Unreadable: its labels do not parse.
    """
    labels = _plain_labels(text[len(name) :]) if text.startswith(name) else None
    if labels is None:
        labels = _labels(text)
    bound: float | None = None
    family = ""
    if name.endswith("_bucket"):
        bound = _number(labels.get("le", ""))
        if bound is None or math.isnan(bound):
            raise _Unreadable("bucket without a number in its label le")
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


def _labels(text: str) -> dict[str, str]:
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families(f"{text} 0\n"))
        (sample,) = families[0].samples
    except Exception:  # noqa: BLE001  the parser documents no errors, and raises several kinds
        raise _Unreadable("labels do not parse") from None
    return dict(sample.labels)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _key(name: str, labels: Mapping[str, str]) -> str:
    return name + repr(sorted(labels.items()))


def _check_histograms(found: _Reading) -> None:
    """Drop each histogram whose buckets are not all there, not cumulative, or do not end in +Inf."""
    families: dict[str, list[SeriesId]] = {}
    for one in found.series.values():
        if one.bound is not None:
            families.setdefault(one.family, []).append(one)
    incomplete = {one.family for one in found.damaged.values() if one.bound is not None}
    for family, series in families.items():
        wrong = "histogram with a damaged bucket" if family in incomplete else _wrong(series, found.values)
        if wrong:
            found.dropped.add(wrong, shown(family))
            for one in series:
                found.damage(one)


def _wrong(series: Iterable[SeriesId], values: Mapping[str, float]) -> str:
    buckets = sorted(_bins(series, values))
    if buckets[-1][0] != math.inf:
        return "histogram without a +Inf bucket"
    if any(low[1] > high[1] for low, high in pairwise(buckets)):
        return "histogram whose buckets are not cumulative"
    return ""


def _bins(series: Iterable[SeriesId], values: Mapping[str, float]) -> Iterator[tuple[float, float]]:
    for one in series:
        if one.bound is not None:
            yield one.bound, values[one.key]


def escaped(value: str) -> str:
    """A label's value, escaped for the text format."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
