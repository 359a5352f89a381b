"""The adapters of one context: made on first use, asked as their kind is asked, closed at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from backends import contracts
from backends.contracts import Adapter, Endpoint, EndpointRef, ModelRef, Registry, Remarks, Serving, Subject, Wiring
from backends.errors import BackendError, Malformed, Rejected
from shiftdeck.common.clock import Clock
from shiftdeck.config.loader import ContextConfig, SourceConfig
from shiftdeck.source_kinds.answers import AskedImage, MetricsReading, PollContext
from shiftdeck.source_kinds.table import source_kind
from shiftdeck.sources.forgotten import Forgotten
from shiftdeck.sources.incremental import kept
from shiftdeck.sources.text_gate import AnswerGate, shown

if TYPE_CHECKING:
    from backends.options import Options

AdapterFactory = Callable[[str, str], type[Adapter]]
REPORT = "please report it to the adapter's authors"


class Makes(Protocol):
    """An adapter's class, which is called with a ``Wiring`` of its own options."""

    OPTIONS: ClassVar[type[Options]]

    def __call__(self, wiring: Wiring[Any], /) -> Adapter: ...


def asked_images(endpoints: Iterable[Endpoint]) -> tuple[AskedImage, ...]:
    """The images that the variants of these endpoints were asked to run, each once."""
    asked = (((one.ref.backend, one.ref.scope), variant.image) for one in endpoints for variant in one.variants)
    return tuple(dict.fromkeys((place, image) for place, image in asked if image))


def served_models(endpoints: Iterable[Endpoint]) -> frozenset[ModelRef]:
    """The versions of registered models that the variants of these endpoints serve."""
    return frozenset(variant.model for one in endpoints for variant in one.variants if variant.model is not None)


def kept_reading(last: object, answer: object) -> object:
    """``answer``, with the objects of ``last`` in place of those that are equal to them."""
    match last, answer:
        case MetricsReading(), MetricsReading():
            current, recent = kept(last.current, answer.current), kept(last.recent, answer.recent)
            same = current is last.current and recent is last.recent and answer.vanished == last.vanished
            return last if same else MetricsReading(current, recent, answer.vanished)
        case tuple(), tuple():
            return kept(last, answer, _same)
        case _:
            return answer


def _same(one: object, other: object) -> bool:
    # Endpoints compare without ``native``, but a change is compiled from it, so the newest must be kept.
    native = isinstance(one, Endpoint) and isinstance(other, Endpoint) and one.native != other.native
    return one == other and not native


def _made(cls: Makes, wiring: Wiring[Any]) -> Adapter:
    """Raises:
    BackendError: it cannot be made.
    """
    try:
        return cls(wiring)
    except BackendError:
        raise
    except (Exception, SystemExit) as error:  # a defect of one adapter must not keep the others from being used
        raise Malformed(f"the adapter failed: {type(error).__name__}: {error}", hint="please report it") from error


def checked(answer: object, items: str) -> object:
    """The answer of an adapter, if all its items are of the contract's type of that name: the joiner rests on it.

    Raises:
        Malformed: the answer, or an item of it, is something else.
    """
    parts = (answer.current, answer.recent) if isinstance(answer, MetricsReading) else (answer,)
    expected = cast("type", getattr(contracts, items))
    for part in parts:
        if not isinstance(part, tuple):
            raise Malformed(f"the adapter answers {type(part).__name__}, not a tuple of {items}", hint=REPORT)
        for item in part:
            if not isinstance(item, expected):
                raise Malformed(f"the adapter answers {type(item).__name__} where {items} belongs", hint=REPORT)
    return answer


class Poll:
    """Polls one adapter. Objects that are equal to those of the last answer are kept, so identity tells what is new.
    ``items`` names the type of the items of its answers. Not thread-safe."""

    def __init__(self, adapter: Callable[[], Adapter], ask: Callable[[Adapter], object], items: str) -> None:
        self._adapter = adapter
        self._ask = ask
        self._items = items
        self._last: object = None
        self._gate = AnswerGate()

    def __call__(self) -> object:
        self._last = kept_reading(self._last, checked(self._ask(self._adapter()), self._items))
        return self._gate.shown(self._last)

    def remarks(self) -> tuple[str, ...]:
        """What the adapter remarks on its last answer."""
        adapter = self._adapter()
        return shown(adapter.remarks()) if isinstance(adapter, Remarks) else ()


class Adapters:
    """The adapters of the context's sources. Thread-safe. Each adapter is made once, by the thread that first asks for
    it. ``wake`` is called with the kind and the name of a source whose adapter has something new. ``forgotten`` is
    what the operator told to forget."""

    def __init__(
        self,
        context: ContextConfig,
        factory: AdapterFactory,
        clock: Clock,
        wake: Callable[[str, str], None],
        forgotten: Forgotten | None = None,
    ) -> None:
        self._context = context
        self._factory = factory
        self._clock = clock
        self._wake = wake
        self._forgotten = forgotten
        self._lock = threading.RLock()
        self._made: dict[tuple[str, str], Adapter] = {}
        self._closed = False

    def get(self, kind: str, name: str) -> Adapter:
        """The adapter behind a source.

        Raises:
            LookupError: no such source is configured, or the adapters are closed.
            BackendError: its adapter cannot be loaded or made, or is written for another contract.
        """
        with self._lock:
            if self._closed:
                raise LookupError("the engine has stopped")
            made = self._made.get((kind, name))
            if made is None:
                config = self._context.source(kind, name)
                if config is None:
                    raise LookupError(f"no source {name!r} of kind {kind} in context {self._context.name}")
                cls = cast("Makes", self._factory(config.kind, config.adapter))
                options = cls.OPTIONS(config.timeout_s, **config.options)
                wiring = Wiring(config.name, options, self.get, self._clock.wall, partial(self._wake, kind, name))
                made = self._made[kind, name] = _made(cls, wiring)
            return made

    def of_kind(self, kind: str) -> tuple[Adapter, ...]:
        """The adapters of that kind, in the order of the configuration."""
        return tuple(self.named(kind).values())

    def named(self, kind: str) -> Mapping[str, Adapter]:
        """The adapters of that kind, by source name. An unusable one is left out: its source's status tells it."""
        found: dict[str, Adapter] = {}
        for config in self._context.of_kind(kind):
            with suppress(BackendError):
                found[config.name] = self.get(kind, config.name)
        return found

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
        """One endpoint, read from its system now."""
        return shown(self.serving(ref).read(ref))

    def registries(self) -> Mapping[str, Registry]:
        """The registries, by source name."""
        return cast("Mapping[str, Registry]", self.named("registries"))

    def poll(self, config: SourceConfig, endpoints: Callable[[], Iterable[Endpoint]] = tuple) -> Callable[[], object]:
        """What polls the adapter of that source, as the record of its kind has it. Objects that are equal to those of
        the last answer are kept, so identity tells what is new, and foreign text is made fit to be shown.
        ``endpoints`` returns the endpoints as they were last read.

        Raises:
            UnknownKind: there is no such kind of source.
        """
        kind = source_kind(config.kind)
        told = self._forgotten

        def forgotten(subject: Subject, at: float) -> bool:
            return told is not None and told.has(self._context.name, config.name, subject, at)

        context = PollContext(
            config.window_s,
            config.share_window_s,
            lambda: asked_images(endpoints()),
            lambda: served_models(endpoints()),
            self.get,
            forgotten,
        )
        return Poll(lambda: self.get(config.kind, config.name), lambda adapter: kind.poll(adapter, context), kind.items)

    def close(self) -> None:
        """Close all adapters. None is made afterwards."""
        with self._lock:
            self._closed = True
            adapters, self._made = list(self._made.values()), {}
        for adapter in adapters:
            with suppress(
                Exception, SystemExit
            ):  # the program is ending: one that will not close must not keep the others open
                adapter.close()
