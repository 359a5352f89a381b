"""The adapters of one context: made when they are first needed, asked what their kind is for, closed at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import cast

from backends.contracts import (
    Accelerators,
    Adapter,
    Alerts,
    Drift,
    Endpoint,
    EndpointRef,
    Image,
    Images,
    Metrics,
    Rates,
    Registry,
    Runs,
    Serving,
    VariantMetrics,
    Wiring,
)
from backends.errors import BackendError, Rejected
from shiftdeck.config.loader import ContextConfig, SourceConfig
from shiftdeck.sources.incremental import kept
from shiftdeck.sources.readings import MetricsReading

Asked = tuple[tuple[str, str], str]
"""An image that a variant was asked to run: the serving source and scope, and its name."""

AdapterFactory = Callable[[str, str], type[Adapter]]


def images_of(endpoints: Iterable[Endpoint]) -> tuple[Asked, ...]:
    """The images that their variants were asked to run, each once."""
    asked = (((one.ref.backend, one.ref.scope), variant.image) for one in endpoints for variant in one.variants)
    return tuple(dict.fromkeys((place, image) for place, image in asked if image))


def rates(metrics: Metrics, window_s: float) -> tuple[VariantMetrics, ...]:
    """Requests/s by variant over a short window, by the cheaper way where the adapter has one."""
    return metrics.rates(window_s) if isinstance(metrics, Rates) else metrics.current(window_s)


def kept_reading(last: object, answer: object) -> object:
    """``answer``, with those of the objects of ``last`` that are the same."""
    match last, answer:
        case MetricsReading(), MetricsReading():
            current, recent = kept(last.current, answer.current), kept(last.recent, answer.recent)
            return last if current is last.current and recent is last.recent else MetricsReading(current, recent)
        case tuple(), tuple():
            return kept(last, answer, _same)
        case _:
            return answer


def _same(one: object, other: object) -> bool:
    # What a change is compiled from is no part of what two endpoints are compared by, and has to be the newest.
    native = isinstance(one, Endpoint) and isinstance(other, Endpoint) and one.native != other.native
    return one == other and not native


class Adapters:
    """Thread-safe. Each adapter is made once, by the thread that first asks for it. ``wake`` is called with the kind
    and the name of a source whose adapter has something new."""

    def __init__(
        self,
        context: ContextConfig,
        factory: AdapterFactory,
        clock: Callable[[], float],
        wake: Callable[[str, str], None],
    ) -> None:
        self._context = context
        self._factory = factory
        self._clock = clock
        self._wake = wake
        self._lock = threading.RLock()
        self._made: dict[tuple[str, str], Adapter] = {}
        self._closed = False

    def get(self, kind: str, name: str) -> Adapter:
        """The adapter behind a source.

        Raises:
            LookupError: no such source is configured, or all is closed.
        """
        with self._lock:
            if self._closed:
                raise LookupError("the engine has stopped")
            made = self._made.get((kind, name))
            if made is None:
                config = self._context.source(kind, name)
                if config is None:
                    raise LookupError(f"no source {name!r} of kind {kind} in context {self._context.name}")
                cls = cast("Callable[[Wiring], Adapter]", self._factory(config.kind, config.adapter))
                options = {**config.options, "timeout": config.timeout_s}
                wiring = Wiring(config.name, options, self.get, self._clock, partial(self._wake, kind, name))
                made = self._made[kind, name] = cls(wiring)
            return made

    def of_kind(self, kind: str) -> tuple[Adapter, ...]:
        return tuple(self.named(kind).values())

    def named(self, kind: str) -> Mapping[str, Adapter]:
        """The adapters of a kind by the names of their sources."""
        return {config.name: self.get(kind, config.name) for config in self._context.of_kind(kind)}

    def serving(self, ref: EndpointRef) -> Serving:
        """The system that serves an endpoint.

        Raises:
            Rejected: no source of that name is configured.
        """
        try:
            return cast("Serving", self.get("serving", ref.backend))
        except LookupError as error:
            raise Rejected(str(error)) from None

    def read(self, ref: EndpointRef) -> Endpoint:
        """One endpoint, afresh."""
        return self.serving(ref).read(ref)

    def registries(self) -> Mapping[str, Registry]:
        """All registries, by source name."""
        return cast("Mapping[str, Registry]", self.named("registries"))

    def question(self, config: SourceConfig, images: Callable[[], Sequence[Asked]] = tuple) -> Callable[[], object]:
        """What a source of that kind asks its adapter. What is as it was in the answer before is the same object.
        ``images`` are those that variants were asked to run, and where."""
        last: object = None

        def ask() -> object:
            nonlocal last
            answer = answered()
            last = kept_reading(last, answer)
            return last

        def answered() -> object:
            adapter = self.get(config.kind, config.name)
            match config.kind:
                case "serving":
                    return cast("Serving", adapter).endpoints()
                case "registries":
                    return cast("Registry", adapter).versions()
                case "metrics":
                    metrics = cast("Metrics", adapter)
                    return MetricsReading(metrics.current(config.window_s), rates(metrics, config.share_window_s))
                case "accelerators":
                    return cast("Accelerators", adapter).gpus()
                case "drift":
                    return cast("Drift", adapter).scores()
                case "images":
                    return self._looked_up(cast("Images", adapter), images())
                case _:
                    return cast("Alerts", adapter).alerts()

        return ask

    def _looked_up(self, adapter: Images, asked: Sequence[Asked]) -> tuple[Image, ...]:
        """What a registry says, and what replicas run, where their system can be asked: where it cannot, that is not
        known, which does not keep the rest back."""
        found = adapter.images(list(dict.fromkeys(image for _, image in asked)))
        ours = {image.reference for image in found if image.digest is not None}
        told: dict[tuple[str, str], Mapping[str, tuple[str, ...]]] = {}
        for place in dict.fromkeys(place for place, image in asked if image in ours):
            with suppress(BackendError, LookupError):
                serving = self.get("serving", place[0])
                if isinstance(serving, Runs):
                    told[place] = serving.running(place[1])
        return tuple(
            replace(
                image, running={place: one[image.reference] for place, one in told.items() if image.reference in one}
            )
            for image in found
        )

    def close(self) -> None:
        """Close them all; none is made any more."""
        with self._lock:
            self._closed = True
            adapters, self._made = list(self._made.values()), {}
        for adapter in adapters:
            with suppress(Exception):  # the program is ending: one that will not close must not keep the others open
                adapter.close()
