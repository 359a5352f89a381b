"""The traffic of one endpoint: the desired split, the observed split, and the transition between them.

It is plain state; callers pass the time, and there is no I/O. A change takes effect after a delay, and once its targets
have a ready replica. Until then ``desired`` and ``observed`` differ, as in any real control plane.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from backends.lab.pace import USUAL
from backends.lab.world import EndpointSpec, Mode

SOAK_S = 600.0  # how long a release has to last to be good
TOLERANCE = 0.01  # percent: the largest difference from 100 of a sum of weights
KEPT_RELEASES = 50


class Refused(Exception):
    """The update is not valid. ``error`` is a short code, ``detail`` a sentence."""

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(detail)
        self.error = error
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Update:
    """A requested change. A field that is ``None`` stays unchanged. ``release`` means a rollback to that release."""

    weights: Mapping[str, float] | None = None
    mirror: Mapping[str, float] | None = None
    stable: str | None = None
    release: str | None = None


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """A state of an endpoint's traffic, with its author, time and reason. ``weights`` is percent by variant name."""

    id: str
    at: float
    by: str
    reason: str
    weights: Mapping[str, float]
    stable: str
    good: bool | None = None


@dataclass(slots=True)
class Replicas:
    """``since`` is the time at which the current start of a replica began."""

    wanted: int
    ready: int
    since: float = 0.0


class Traffic:
    """Not thread-safe: the gateway's event loop owns it. All times are Unix seconds.

    A replica is ready ``replica_start_s`` after it is wanted.
    """

    def __init__(
        self, spec: EndpointSpec, rng: Random, now: float, replica_start_s: float = USUAL.replica_start_s
    ) -> None:
        self.spec = spec
        self._replica_start_s = replica_start_s
        self.stable = spec.stable
        self.desired = {variant.name: variant.weight for variant in spec.variants}
        self.observed = dict(self.desired)
        self.mirror = {variant.name: variant.mirror for variant in spec.variants}
        self.generation = 10 + len(spec.past)
        first = self.generation - len(spec.past) + 1
        self.releases = [
            ReleaseRecord(str(first + n), now - past.age_s, past.by, past.reason, past.weights, spec.stable, past.good)
            for n, past in enumerate(spec.past)
        ][::-1]
        self._rng = rng
        self._due: float | None = None
        self.replicas = {name: Replicas(0, 0) for name in self.desired}
        self._scale(now)
        for replicas in self.replicas.values():
            replicas.ready = replicas.wanted

    @property
    def etag(self) -> str:
        return f'"{self.generation}"'

    def check(self, update: Update) -> Update:
        """The update with all missing fields filled in.

        Raises:
            Refused: a variant or release is unknown, the weights do not sum to 100, or a variant with live traffic is
                mirrored to.
        """
        weights, stable = update.weights, update.stable or self.stable
        if update.release is not None:
            release = self._release(update.release)
            if weights is not None and _full(weights, self.desired) != _full(release.weights, self.desired):
                raise Refused("release_mismatch", f"release {release.id} has other weights than those given")
            weights, stable = release.weights, update.stable or release.stable
        weights = self._weights(self.desired if weights is None else weights)
        self._known([stable])
        if update.stable is not None and weights[stable] == 0:
            raise Refused("stable_without_traffic", f"{stable} cannot be stable with 0 % of the traffic")
        return Update(weights, self._mirror(update.mirror, weights), stable, update.release)

    def apply(self, update: Update, now: float, delay_s: float, by: str, reason: str) -> None:
        """Set ``update`` as desired. It takes effect after ``delay_s``.

        Raises:
            Refused: as ``check`` does.
        """
        full = self.check(update)
        assert full.weights is not None
        assert full.mirror is not None
        assert full.stable is not None
        self.generation += 1
        if full.weights != self.desired or full.stable != self.stable:
            self._close_release(now, rolled_back=full.release is not None)
            note = reason or (f"roll back to {full.release}" if full.release else "")
            self.releases.insert(0, ReleaseRecord(str(self.generation), now, by, note, full.weights, full.stable))
            del self.releases[KEPT_RELEASES:]
        self.desired, self.mirror, self.stable = dict(full.weights), dict(full.mirror), full.stable
        self._due = now + delay_s
        self._scale(now)

    def tick(self, now: float) -> None:
        """Advance to ``now``: replicas start, and a change that is due takes effect once its targets are ready."""
        for replicas in self.replicas.values():
            if replicas.ready < replicas.wanted and now - replicas.since >= self._replica_start_s:
                replicas.ready += 1
                replicas.since = now
        targets_ready = all(self.replicas[name].ready for name, weight in self.desired.items() if weight > 0)
        if self._due is not None and now >= self._due and targets_ready:
            self.observed = dict(self.desired)
            self._due = None
            self._scale(now)

    def pick(self) -> str:
        """The variant for the next request, by the observed weights."""
        return self._rng.choices(list(self.observed), list(self.observed.values()))[0]

    def copies(self) -> list[str]:
        """The variants that get a copy of the next request."""
        return [name for name, percent in self.mirror.items() if percent and self._rng.random() * 100 < percent]

    def role(self, name: str) -> str:
        if name == self.stable:
            return "stable"
        if self.mirror[name] > 0:
            return "shadow"
        if self.desired[name] <= 0 and self.observed[name] <= 0:
            return "idle"
        return "candidate" if self.spec.mode is Mode.CANDIDATES else "canary"

    def state(self) -> tuple[str, str]:
        """The phase and its message."""
        waiting = [name for name, count in self.replicas.items() if count.ready < count.wanted]
        if self.desired != self.observed:
            unready = [name for name, weight in self.desired.items() if weight > 0 and not self.replicas[name].ready]
            if unready:
                return "progressing", f"waiting for {' and '.join(unready)} to be ready"
            return "progressing", "the split is propagating"
        if waiting:
            return "progressing", f"{' and '.join(waiting)} starting replicas"
        return "steady", ""

    def _release(self, release_id: str) -> ReleaseRecord:
        for release in self.releases:
            if release.id == release_id:
                return release
        raise Refused("unknown_release", f"there is no release {release_id!r}")

    def _known(self, names: list[str]) -> None:
        unknown = sorted(set(names) - set(self.desired))
        if unknown:
            known = ", ".join(self.desired)
            raise Refused("unknown_variant", f"there is no variant {', '.join(unknown)}: known are {known}")

    def _weights(self, weights: Mapping[str, float]) -> dict[str, float]:
        self._known(list(weights))
        bad = [name for name, weight in weights.items() if not (math.isfinite(weight) and 0 <= weight <= 100)]
        if bad:
            raise Refused("bad_weight", f"the weight of {', '.join(bad)} is not between 0 and 100")
        total = math.fsum(weights.values())
        if abs(total - 100) > TOLERANCE:
            raise Refused("bad_sum", f"the weights sum to {total:g}, not to 100")
        return _full(weights, self.desired)

    def _mirror(self, asked: Mapping[str, float] | None, weights: Mapping[str, float]) -> dict[str, float]:
        if asked is None:  # a variant that now gets live traffic gets no copies any more
            return {name: 0.0 if weights[name] > 0 else percent for name, percent in self.mirror.items()}
        self._known(list(asked))
        bad = [name for name, percent in asked.items() if not (math.isfinite(percent) and 0 <= percent <= 100)]
        if bad:
            raise Refused("bad_mirror", f"the mirror percentage of {', '.join(bad)} is not between 0 and 100")
        live = [name for name, percent in asked.items() if percent > 0 and weights[name] > 0]
        if live:
            raise Refused("mirror_to_live", f"{', '.join(live)} gets live traffic and cannot be mirrored to as well")
        return {name: asked.get(name, 0.0) for name in self.desired}

    def _close_release(self, now: float, *, rolled_back: bool) -> None:
        """Judge the current release at its end.

        It is bad if it is rolled back. It is good if all traffic went to one variant for ``SOAK_S``. A split is an
        experiment, so it is not judged.
        """
        current = self.releases[0]
        whole = max(current.weights.values()) >= 100 - TOLERANCE
        good = True if whole and now - current.at >= SOAK_S else current.good
        self.releases[0] = replace(current, good=False if rolled_back else good)

    def _scale(self, now: float) -> None:
        """Distribute the replicas by weight.

        The stable variant and the previous stable variant keep at least one replica, so that a rollback finds it ready.
        While a split propagates, neither its old nor its new targets shrink.
        """
        keep = {self.stable, next((r.stable for r in self.releases if r.stable != self.stable), self.stable)}
        keep |= {name for name, percent in self.mirror.items() if percent > 0}
        for name, replicas in self.replicas.items():
            weight = max(self.desired[name], self.observed[name])
            wanted = max(math.ceil(self.spec.replicas * weight / 100), int(name in keep))
            if wanted > replicas.ready and wanted > replicas.wanted:
                replicas.since = now
            replicas.wanted = wanted
            replicas.ready = min(replicas.ready, wanted)


def _full(weights: Mapping[str, float], names: Mapping[str, float]) -> dict[str, float]:
    return {name: float(weights.get(name, 0.0)) for name in names}
