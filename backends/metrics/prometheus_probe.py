"""Finds the presets that fit a server's metrics, and the findings that ``doctor`` shows about the server."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median

from backends.contracts import Probe, ProbeKind, Subject
from backends.errors import BackendError
from backends.http import HttpClient
from backends.metrics import promql
from backends.metrics.answers import read_matrix
from backends.metrics.fleet_queries import PAST_S, newest_query
from backends.metrics.preset import Preset, split
from backends.metrics.prometheus_client import Queries

NAMED = 3  # examples in a message
INTERVAL_S = 300.0


def choose(queries: Queries, known: Sequence[Preset], *, past: bool = False) -> tuple[Preset, ...]:
    """The presets for "auto": the server has one of their counters, with the label that names the endpoint. With
    ``past``, it had one in the last hour.

    If several presets read the same counter, only the first is chosen.
    """
    moments = PAST_S if past else (0.0,)
    there = _present(queries, known, moments)
    chosen: list[Preset] = []
    for preset in known:
        taken = any(set(preset.requests) & set(other.requests) for other in chosen)
        if preset.auto and not taken and _fits(preset, there) and _subjects(queries, preset, moments):
            chosen.append(preset)
    return tuple(chosen)


def probe(
    http: HttpClient, queries: Queries, known: Sequence[Preset], *, named: bool, scrape_s: float
) -> tuple[Probe, ...]:
    """Whether the server can be queried, and what each preset finds there."""
    began = time.monotonic()
    try:
        envelope = queries.ask("vector(1)", whole=False)
    except BackendError as error:
        return (refused(error),)
    took = time.monotonic() - began
    reach = [Probe(ProbeKind.REACH, True, f"{http.where} is {_version(http)}", latency_s=took)]
    reach += [Probe(ProbeKind.READ, None, f"the server notes: {note}") for note in envelope.notes]
    missing = "missing data is not measured: see the server's log"
    reach += [Probe(ProbeKind.READ, False, f"its answers are incomplete: {text}", missing) for text in envelope.partial]
    try:
        there = _present(queries, known)
        used = list(known) if named else list(choose(queries, known))
        reads = [_read(queries, preset, there, scrape_s) for preset in used]
    except BackendError as error:
        return (*reach, Probe(ProbeKind.READ, False, error.message, error.hint))
    read = {name for preset in used for name in preset.requests}
    also = [one.name for one in known if one not in used and _fits(one, there) and not read & set(one.requests)]
    if not used and also:
        words = f'it has metrics of {", ".join(also)}, which "auto" does not choose: other services have the same names'
        reads.append(Probe(ProbeKind.READ, False, words, f'set `preset = "{also[0]}"`'))
    elif not used:
        words = "no preset fits: the server has none of their counters"
        hint = "copy a preset and name your own metrics in it (`preset`, `presets`)"
        reads.append(Probe(ProbeKind.READ, False, words, hint))
    elif also:
        reads.append(Probe(ProbeKind.READ, True, f"it has metrics of {', '.join(also)} too: name them in `preset`"))
    return (*reach, *reads)


def refused(error: BackendError) -> Probe:
    return Probe(ProbeKind.REACH, False, error.message, error.hint)


def _counters(preset: Preset) -> tuple[str, ...]:
    """The names of all counters of requests, those of failures too."""
    return tuple(name for names in (*preset.requests, *preset.failures) for name in split(names))


def _present(queries: Queries, known: Iterable[Preset], moments: Sequence[float] = (0.0,)) -> Mapping[str, int]:
    """The number of series of each counter that a preset names."""
    names = sorted({name for preset in known for name in _counters(preset)})
    if not names:
        return {}
    matcher = promql.selector("|".join(re.escape(name) for name in names))
    found = queries.vector(f"count by (__name__) ({' or '.join(promql.before(matcher, at) for at in moments)})")
    return {one.labels.get("__name__", ""): round(one.value) for one in found}


def _fits(preset: Preset, there: Mapping[str, int]) -> bool:
    return any(name in there for name in _counters(preset))


def _subjects(queries: Queries, preset: Preset, moments: Sequence[float] = (0.0,)) -> list[Subject]:
    """The subjects that the labels of a preset name, sorted."""
    whose = promql.Owners(preset)
    found = {whose(one.labels)[0] for one in queries.vector(newest_query(preset, moments))}
    return sorted(subject for subject in found if subject.endpoint)


def _read(queries: Queries, preset: Preset, there: Mapping[str, int], scrape_s: float) -> Probe:
    series = sum(there.get(name, 0) for name in _counters(preset))
    counter = next((name for name in _counters(preset) if name in there), preset.requests[0])
    if not series:
        hint = "check that it is scraped; some servers have no such counter before their first request"
        return Probe(ProbeKind.READ, False, f"{preset.name}: there is no {counter}", hint)
    named = _subjects(queries, preset)
    rules = {role: preset.rule(role).told() for role in ("endpoint", "variant", "scope") if role in preset.labels}
    told = ", ".join(f"{role} from {rule}" for role, rule in rules.items())
    if not named:
        hint = f"its labels are {_labels(queries, counter)}: set `endpoint_label`, or change a copy of the preset"
        return Probe(
            ProbeKind.READ, False, f"{preset.name}: {counter} has {series} series, none names one: {told}", hint
        )
    examples = ", ".join(_shown(subject) for subject in named[:NAMED])
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    lacks = "" if preset.tells_errors else "; errors are not measured: no counter has the outcome of a request"
    words = f"{preset.name}: {counter} has {series} series; {told}: {examples}{more}{lacks}"
    hints = []
    if not any(subject.variant for subject in named):
        hints.append(f"no label has the variant; there are {_labels(queries, counter)}: set `variant_label`")
    interval = _interval(queries, preset, named[0])
    if interval is not None and interval > 1.5 * scrape_s:
        hints.append(f"it is scraped every {interval:.0f} s, not every {scrape_s:g} s: set `scrape`")
    return Probe(ProbeKind.READ, None if hints else True, words, "; ".join(hints))


def _labels(queries: Queries, counter: str) -> str:
    """The labels of a metric, each with an example."""
    found = queries.vector(f"topk(1,{promql.selector(counter)})")
    labels = next((one.labels for one in found), {})
    return ", ".join(f"{label}={value}" for label, value in sorted(labels.items()) if label != "__name__") or "none"


def _shown(subject: Subject) -> str:
    place = f"{subject.scope}/{subject.endpoint}" if subject.scope else subject.endpoint
    return f"{place} {subject.variant or '(no variant)'}"


def _interval(queries: Queries, preset: Preset, subject: Subject) -> float | None:
    """The interval between samples of a counter, in seconds; ``None`` if there are too few samples."""
    matchers = [*promql.where(preset.where), *(promql.about(preset, subject) or ())]
    asked = [f"{promql.selector(names, matchers)}[{promql.duration(INTERVAL_S)}]" for names in preset.requests]
    found = [one for each in asked for one in read_matrix(queries.ask(each), queries.where, queries.dropped)]
    gaps = [later[0] - earlier[0] for one in found for earlier, later in pairwise(one.points)]
    return median(gaps) if gaps else None


def _version(http: HttpClient) -> str:
    """The name and version of the server, if it has any: not every Thanos and Mimir answers this request."""
    try:
        raw = http.request("GET", "/api/v1/status/buildinfo").json()
    except BackendError:
        return "a Prometheus API"
    data = raw.get("data") if isinstance(raw, Mapping) else None
    version = data.get("version") if isinstance(data, Mapping) else None
    return f"Prometheus {version[:40]}" if isinstance(version, str) and version.isprintable() else "a Prometheus API"
