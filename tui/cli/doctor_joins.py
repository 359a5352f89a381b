"""The part of ``doctor`` that reads serving and metrics, and compares what they tell of."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar, cast

from backends.errors import BackendError
from shiftdeck.config.loader import ContextConfig, SourceConfig
from shiftdeck.fleet.coverage import Covered, coverage
from shiftdeck.sources.text_gate import shown

if TYPE_CHECKING:
    from backends.contracts import Endpoint, Metrics, Serving, VariantMetrics
    from shiftdeck.engine.engine import Engine

AGAIN_S = 1.0
"""A target that is scraped directly has counts from its second scrape on."""

T = TypeVar("T")


def joins(engine: Engine, context: ContextConfig, sources: Sequence[SourceConfig], limit_s: float) -> list[Covered]:
    """What the metrics of these sources join with, of those that can be read within ``limit_s`` seconds."""
    until = time.monotonic() + limit_s
    serving = _read_all(engine, [one for one in sources if one.kind == "serving"], _endpoints, until)
    metrics = _read_all(engine, [one for one in sources if one.kind == "metrics"], _measured, until)
    endpoints = [endpoint for found in serving.values() for endpoint in found]
    return list(coverage(endpoints, metrics, context.slo))


def _read_all(
    engine: Engine,
    sources: Sequence[SourceConfig],
    read: Callable[[Engine, SourceConfig], Sequence[T]],
    until: float,
) -> dict[str, Sequence[T]]:
    """The answers of all sources, each asked on a thread of its own; without those that fail or are late."""
    found: dict[str, Sequence[T]] = {}

    def ask(source: SourceConfig) -> None:
        try:
            found[source.name] = shown(tuple(read(engine, source)))
        except (BackendError, LookupError):
            pass  # its probe tells it
        except Exception:  # noqa: BLE001, S110 - a third party's adapter may raise anything; its probe tells it
            pass

    threads = [threading.Thread(target=ask, args=(one,), daemon=True) for one in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return dict(found)


def _endpoints(engine: Engine, source: SourceConfig) -> Sequence[Endpoint]:
    return cast("Serving", engine.adapter("serving", source.name)).endpoints()


def _measured(engine: Engine, source: SourceConfig) -> Sequence[VariantMetrics]:
    adapter = cast("Metrics", engine.adapter("metrics", source.name))
    found = adapter.current(source.window_s)
    if found and not any(one.latency for one in found):
        threading.Event().wait(AGAIN_S)
        found = adapter.current(source.window_s)
    return found
