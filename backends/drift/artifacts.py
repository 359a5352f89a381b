"""Reference distributions that a registry keeps as artifacts: one in the run of each version, or one for all versions.

``registry_of`` also serves reports that are artifacts.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import cast

from backends.contracts import Artifacts, Describes, ModelRef, Wiring
from backends.drift.reference import Baseline, parse
from backends.errors import Rejected, Unsupported
from backends.options import Options

FIXED = ("runs:/", "models:/")
AGAIN_S = 300.0
"""Seconds until a missing artifact is looked for again: a baseline can be logged after its version is registered."""


def registry_of(wiring: Wiring[Options], name: str | None) -> Artifacts:
    """The registry of that name.

    Raises:
        Rejected: no registry is named.
        Unsupported: the registry keeps no artifacts.
    """
    if not name:
        raise Rejected("an artifact needs a registry", hint="set `registry` to the name of a registries source")
    found = wiring.source("registries", name)
    if not isinstance(found, Artifacts):
        raise Unsupported(f"the registry {name} keeps no artifacts")
    return found


class Baselines:
    """References from artifacts. Each artifact is read once, as the artifacts of a run do not change. Thread-safe.

    ``artifact`` is a path in the run of each version ("baseline.json"); its entries need no model and no version. Or it
    is one location for all versions ("runs:/RUN/PATH", "models:/NAME@ALIAS/PATH").
    """

    def __init__(
        self,
        wiring: Wiring[Options],
        registry: str | None,
        artifact: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wiring = wiring
        self._registry = registry
        self.artifact = artifact
        self._clock = clock
        self._lock = threading.Lock()
        self._read: dict[ModelRef | None, Baseline] = {}
        self._missing: dict[ModelRef | None, float] = {}

    def load(self, wanted: Iterable[ModelRef]) -> Baseline:
        """The references of those of these versions that have any.

        Raises:
            Rejected, Unsupported: the settings are not valid.
            Malformed: an artifact is not a valid reference file.
            Unreachable, …: what the registry raises for an artifact that was not read before.
        """
        with self._lock:
            found: dict[tuple[str, str, str], object] = {}
            refs: list[ModelRef | None] = [None] if self.artifact.startswith(FIXED) else [*dict.fromkeys(wanted)]
            for ref in refs:
                found |= self._of(ref)
            return cast("Baseline", found)

    def _of(self, ref: ModelRef | None) -> Baseline:
        if ref not in self._read:
            if self._clock() - self._missing.get(ref, -AGAIN_S) < AGAIN_S:
                return {}
            try:
                self._read[ref] = self._asked(ref)
            except Rejected:
                if ref is None:
                    raise
                self._missing[ref] = self._clock()
                return {}
        return self._read[ref]

    def _asked(self, ref: ModelRef | None) -> Baseline:
        registry = registry_of(self._wiring, self._registry)
        if ref is None:
            return parse(registry.artifact(self.artifact), self.artifact)
        if not isinstance(registry, Describes):
            raise Unsupported("this registry does not give the run of a version", hint="write runs:/RUN/PATH")
        run = registry.describe(ref).run
        if not run:
            raise Rejected(f"{ref} has no run")
        return parse(registry.artifact(f"runs:/{run}/{self.artifact}"), f"{self.artifact} of {ref}", ref)
