"""The inputs of the kit: the wiring that makes the adapter, and the sample endpoints."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from backends.contracts import Adapter, Call, Change, Endpoint, Wiring
from backends.options import Options
from backends.settings import Secret, SettingType

SECRET = "conformance-8d1f-secret"
"""The value of every secret that ``wiring`` fills in. The kit looks for it in calls and messages."""

VARIABLE = "SHIFTDECK_CONFORMANCE_SECRET"
NAME = "conformance"
"""The name of the adapter's source, and so the ``backend`` of its endpoints."""

Script = Callable[[Sequence[Call]], Endpoint | None]


class Server(Protocol):
    """The system of one sample, played in memory: each call is accepted or refused as the system would."""

    def read(self) -> Endpoint:
        """The endpoint as the adapter reads it now."""
        ...

    def send(self, call: Call) -> None:
        """Raises ``Conflict`` if the guard of the call does not hold."""
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """One endpoint, as the adapter reads it, in the state that ``name`` describes.

    The kit derives changes from the endpoint's variants, releases and actions. ``changes`` are tried in addition: give
    them if the system accepts only particular changes.

    ``taken`` gives the endpoint as the adapter reads it right after the system has accepted the calls, before they have
    any effect. ``done`` gives the endpoint once the calls are in effect. Either may return ``None`` for calls that it
    cannot simulate. If the system has no state in between (a weight is in effect as soon as it is written), leave
    ``taken`` out.

    ``server`` makes the system in the sample's state: with it the kit tries the fences of an adapter that has them.
    """

    name: str
    endpoint: Endpoint
    changes: Sequence[Change] = ()
    taken: Script | None = None
    done: Script | None = None
    server: Callable[[], Server] | None = None


def wiring(
    adapter: Callable[[Wiring[Any]], Adapter],
    sources: Mapping[tuple[str, str], Adapter] | None = None,
    /,
    **options: object,
) -> Wiring[Any]:
    """The wiring that the engine would make: ``options``, and defaults for all other settings. Every secret that is not
    given is ``SECRET``. ``sources`` are the adapters of other sources, by kind and name."""
    os.environ[VARIABLE] = SECRET
    declared = options_of(adapter)
    secrets = {one.key: Secret(env=VARIABLE) for one in declared.SETTINGS if one.type is SettingType.SECRET}
    others = sources or {}
    return Wiring(NAME, declared(**{**secrets, **options}), lambda kind, name: others[kind, name], time.time)


def options_of(adapter: object) -> type[Options]:
    """The options class of an adapter's class."""
    declared: type[Options] = getattr(adapter, "OPTIONS")  # noqa: B009 - any class may be given
    return declared
