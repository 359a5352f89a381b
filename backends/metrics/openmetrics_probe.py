"""The findings that ``doctor`` shows about a target that is scraped directly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from backends.contracts import Probe, ProbeKind
from backends.errors import BackendError
from backends.metrics import selection
from backends.metrics.exposition import Parser, Scrape, Wanted
from backends.metrics.preset import AUTO, Preset, find_presets


def probe(fetch: Callable[[], str], named: Callable[[], Preset], where: str) -> tuple[Probe, ...]:
    """Whether the target can be read, and what its preset finds there. ``named`` gives the preset in use."""
    began = time.monotonic()
    try:
        body = fetch()
    except BackendError as error:
        return (Probe(ProbeKind.REACH, False, error.message, error.hint),)
    took = time.monotonic() - began
    reach = Probe(ProbeKind.REACH, True, f"{where} answered {len(body):,} characters", latency_s=took)
    try:
        preset = named()
        scrape = Parser(selection.Names.of(preset).wanted).read(body)
        remarks = (*scrape.remarks, *selection.check(scrape, preset))
    except BackendError as error:
        fitting = _fitting(body, named)
        return reach, Probe(
            ProbeKind.READ, False, error.message, f"presets that fit: {fitting}" if fitting else error.hint
        )
    return reach, *_read(preset, scrape), *(Probe(ProbeKind.READ, None, remark) for remark in remarks)


def _read(preset: Preset, scrape: Scrape) -> Iterator[Probe]:
    names = selection.Names.of(preset)
    counted = sum(series.name in names.counted for series in scrape.series.values())
    found = f"{' or '.join((*preset.requests, *preset.failures))} has {counted} series"
    if not (names.buckets | names.time | names.summary) & scrape.declared:
        wanted = " or ".join(sorted(names.buckets | names.time)) or "histogram"
        hint = "set `latency` to the histogram of latencies"
        yield Probe(ProbeKind.READ, True, f"{found}; no {wanted}, so no latencies", hint)
    else:
        yield Probe(ProbeKind.READ, True, found)
    if not preset.tells_errors:
        yield Probe(ProbeKind.READ, None, NO_ERRORS)


NO_ERRORS = "errors are not measured: no counter has the outcome of a request"


def _fitting(body: str, named: Callable[[], Preset]) -> str:
    """The names of the presets whose counter of requests is in the scrape; "" if the one in use is among them: then
    it is its labels that do not fit."""
    try:
        declared = Parser(Wanted()).read(body).declared
        fits = {one.name: bool(selection.Names.of(one).counted & declared) for one in (*find_presets(AUTO), named())}
        return "" if fits[named().name] else ", ".join(name for name, fit in fits.items() if fit)
    except BackendError:
        return ""
