"""What the author of an adapter gives to the kit: how the adapter is made, and endpoints to try it on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from backends.contracts import Adapter, Call, Change, Endpoint, Wiring
from backends.settings import Secret, Setting, SettingType

SECRET = "conformance-8d1f-secret"
"""The value of every secret that ``wiring`` fills in. The kit looks for it in calls and messages."""

VARIABLE = "SHIFTDECK_CONFORMANCE_SECRET"
NAME = "conformance"
"""The name of the source that the adapter is, and so the backend of its endpoints."""

Script = Callable[[Sequence[Call]], Endpoint | None]


@dataclass(frozen=True, slots=True)
class Sample:
    """One endpoint, as the adapter reads it, in a state that ``name`` describes.

    ``changes`` are tried besides those that the kit works out from the endpoint's variants, releases and actions: give
    them where the system accepts only particular ones.

    ``taken`` gives the endpoint as the adapter reads it right after the system has taken these calls, while nothing has
    come of them; ``done`` gives it once they are in effect. Either may return ``None`` for calls that it cannot play.
    Where the system has no state in between (a weight is in effect as soon as it is written), leave ``taken`` out.
    """

    name: str
    endpoint: Endpoint
    changes: Sequence[Change] = ()
    taken: Script | None = None
    done: Script | None = None


def wiring(
    adapter: Callable[[Wiring], Adapter],
    sources: Mapping[tuple[str, str], Adapter] | None = None,
    /,
    **options: object,
) -> Wiring:
    """What the engine gives to an adapter: ``options``, and defaults for all other settings. Every secret that is not
    given is ``SECRET``. ``sources`` are the adapters of other sources, by kind and name."""
    os.environ[VARIABLE] = SECRET
    filled = {setting.key: _default(setting) for setting in settings_of(adapter)}
    others = sources or {}
    return Wiring(NAME, {"timeout": 5.0, **filled, **options}, lambda kind, name: others[kind, name], time.time)


def settings_of(adapter: object) -> tuple[Setting, ...]:
    """The settings that an adapter's class declares."""
    declared: tuple[Setting, ...] = getattr(adapter, "SETTINGS")  # noqa: B009 - any class may be given
    return declared


def _default(setting: Setting) -> object:
    return Secret(env=VARIABLE) if setting.type is SettingType.SECRET else setting.default
