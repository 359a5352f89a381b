"""Runs an engine for a verb, and waits until its view has enough data."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from shiftdeck.engine.engine import Engine
from shiftdeck.health.judge import is_live
from shiftdeck.journal.journal import Journal, JournalError
from shiftdeck.sources.source import SourceState
from tui.cli.options import Failure, Misused
from tui.startup import gc_control

if TYPE_CHECKING:
    from shiftdeck.changes.timing import Timing
    from shiftdeck.engine.view import View
    from shiftdeck.fleet.endpoint import EndpointView
    from shiftdeck.journal.journal import Entry
    from tui.cli.load_config import Place

LOADED_WITHIN_S = 10.0
"""How long a source may take to answer or fail before the others are shown without it."""

OPENED_WITHIN_S = 30.0
"""The same if a registry takes part in a change: opening one can take long, and a change without it would be worse."""

QUIET_S = 1.5
"""After this time the user is told what is waited for."""

NEARLY = 0.9

SCRAPED_WITHIN_S = 1.0
"""How long the last poll of an observation may take."""

RECOVERED_WITHIN_S = 5.0


@contextmanager
def running(place: Place, *, kinds: Sequence[str] = (), timing: Timing | None = None) -> Iterator[Engine]:
    """A context with a running engine, which is stopped at the end. With ``kinds``, it has only sources of these
    kinds."""
    context = place.context
    if kinds:
        context = replace(context, sources=tuple(source for source in context.sources if source.kind in kinds))
    engine = Engine(context, Journal(place.config.journal), timing=timing)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop(0.0)


# ── waiting ─────────────────────────────────────────────────────────────────────────────────────────────────────


def wait_loaded(engine: Engine, say: Callable[[str], None], within_s: float = LOADED_WITHIN_S) -> View:
    """The view once every source has answered or failed, or the newest view after ``within_s`` seconds. On a terminal,
    ``say`` is called with the sources that are waited for."""

    def loaded(view: View) -> bool:
        return view.number > 0 and view.loaded

    view = engine.wait_for(loaded, min(QUIET_S, within_s))
    if view is None and sys.stderr.isatty():
        starting = [status.name for status in engine.view.sources if status.state is SourceState.STARTING]
        say(f"waiting for {', '.join(starting)}")
    found = view or engine.wait_for(loaded, within_s - QUIET_S) or engine.view
    gc_control.resume()  # the objects that exist now are not garbage
    return found


def not_found(message: str, view: View, *kinds: str, hint: str = "") -> Failure:
    """The end of a command that names what no source of these kinds has. The command is wrong only if all of them have
    answered: what a system has that does not answer is not known."""
    silent = [one for one in view.sources if one.kind in kinds and not one.fresh]
    if not silent:
        return Misused(message, hint)
    return Failure(message, "; ".join(f"{one.name} {one.state}: {one.error or 'no answer yet'}" for one in silent))


def metrics_sources(view: View) -> frozenset[str]:
    """The names of the metrics sources that have answered."""
    return frozenset(status.name for status in view.sources if status.kind == "metrics" and status.at is not None)


def observed_s(view: View) -> float:
    """The longest window, in seconds, of the metrics in a view."""
    found = [one for endpoint in view.endpoints for variant in endpoint.variants for one in (variant.metrics,) if one]
    return max((one.window_s for one in found), default=0.0)


def observe(engine: Engine, seconds: float, enough: Callable[[View], bool]) -> View:
    """Wait until ``enough`` is true of a view, or until metrics cover ``seconds``, and return the view. A source that
    scrapes its target directly has no history and needs two polls for a rate. The metrics are polled once more at the
    end."""
    view = engine.view
    names = metrics_sources(view)
    if not names or enough(view):
        return view
    left = seconds - observed_s(view)
    if left > 0:
        found = engine.wait_for(enough, left)
        if found is not None:
            return found
    seen = {status.name: status.at for status in engine.view.sources}
    for name in names:
        engine.refresh(name)

    def looked(view: View) -> bool:
        return all(status.at != seen[status.name] for status in view.sources if status.name in names)

    return engine.wait_for(lambda view: looked(view) or enough(view), SCRAPED_WITHIN_S) or engine.view


def has_window(seconds: float) -> Callable[[View], bool]:
    """A condition: the metrics of a view cover at least ``NEARLY`` of that many seconds. Metrics from a server with a
    history do so at once. Scraped metrics are polled in their interval, and a poll a moment later would add nothing."""

    def enough(view: View) -> bool:
        return observed_s(view) >= NEARLY * seconds

    return enough


def judged(endpoint: EndpointView) -> bool:
    """Whether every live variant has had enough requests for a verdict."""
    live = [variant for variant in endpoint.variants if is_live(variant.variant)]
    return all(one.metrics is not None and one.metrics.samples >= endpoint.slo.min_samples for one in live)


def unfinished(journal: Journal, context: str) -> tuple[Entry, ...]:
    """The changes of that context that have no outcome in the journal."""
    try:
        return tuple(entry for entry in journal.unfinished() if entry.context == context)
    except JournalError as error:
        raise Failure(f"the journal cannot be read: {error}", hint="shiftdeck journal verify") from None


def looked_back(engine: Engine, view: View) -> View:
    """A view with what is known of the changes that an earlier process left."""

    def told(view: View) -> bool:
        return engine.has_looked_back and view.findings == engine.findings

    return view if told(view) else engine.wait_for(told, RECOVERED_WITHIN_S) or view


def wait_recovered(engine: Engine, pending: Sequence[Entry]) -> list[str]:
    """Lines that say what became of the changes that an earlier process left without an outcome. ``pending`` are those
    changes."""
    deadline = time.monotonic() + RECOVERED_WITHIN_S
    wanted = {entry.seq for entry in pending}
    while not wanted <= {finding.entry.seq for finding in engine.findings} and time.monotonic() < deadline:
        engine.wait_for(lambda view: wanted <= {finding.entry.seq for finding in engine.findings}, 0.2)
    return [
        f"an earlier change {'was not as said' if finding.reopened else 'had no outcome'}: "
        f"journal {finding.entry.seq}, {finding.entry.ref}, "
        f"{finding.entry.data.get('change', '?')}: {finding.message}"
        for finding in engine.findings
    ]
