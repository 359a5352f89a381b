"""Looking at a whole MLflow registry, with few calls the first time and fewer afterwards. Not thread-safe.

A server cannot be asked what changed. So each look lists the models (which brings their aliases; the search for
versions never does), and reads anew the versions of those that changed and of a few others in turn. Where many changed,
as at first, all versions are read page by page instead of model by model. Runs are read some hundreds at a time
and once, since a finished run does not change.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from backends.contracts import Dataset, ModelVersion
from backends.errors import Forbidden, Rejected, TimedOut
from backends.registries.mlflow_store import RUNS_PAGE, Model, Run, Store

MODELS_PAGE = 200
VERSIONS_PAGE = 100
SWEEP_PAGE = 1000
SWEEP_FROM = 10
"""So many models that changed are worth a sweep over all versions."""

REREAD = 10  # models that are read anew at each look although nothing says that they changed
RUNS_KEPT = 20_000


@dataclass(frozen=True, slots=True)
class _Seen:
    """A model as it was when its versions were read."""

    model: Model
    versions: tuple[ModelVersion, ...]
    at: float


@dataclass(slots=True)
class _Sweep:
    """A pass over all versions by name that takes several looks where the server is slow. Whatever is deleted in front
    of it moves a version out of its way, which is found when its model's turn comes."""

    token: str = ""
    pages: int = 0
    model: Model | None = None  # the one that the last page ended in, as it was then; None where it is not wanted
    name: str = ""
    found: list[ModelVersion] = field(default_factory=list)  # its versions so far


class Look:
    """What is known of a registry. ``only``: of these models, or of all where it is empty."""

    def __init__(self, only: frozenset[str], max_versions: int) -> None:
        self._only = only
        self._max_versions = max_versions
        self._seen: dict[str, _Seen] = {}
        self._runs: dict[str, Run] = {}
        self._sweep: _Sweep | None = None
        self._complete: tuple[object, tuple[ModelVersion, ...]] | None = None  # what to say while nothing is written

    def forget(self, model: str) -> None:
        """Something was written to it: read it anew."""
        self._complete = None
        self._seen.pop(model, None)

    def versions(self, store: Store, deadline: float) -> tuple[ModelVersion, ...]:
        """Models in alphabetical order, newest versions first. Where reading all takes longer than until ``deadline``,
        it raises ``TimedOut`` and goes on from there the next time; what runs measured comes as time allows, aliased
        and newest versions first."""
        state = store.state(deadline)
        if state is not None and self._complete is not None and self._complete[0] == state:
            return self._complete[1]
        models = self._models(store, deadline)
        # Where it is known that something was written, all is read anew: then it need not be until the next time.
        others = REREAD if state is None else len(models)
        whole = self._read(store, models, others, deadline) and self._read_runs(store, deadline)
        found = tuple(self.joined(one) for name in sorted(models) for one in self._seen[name].versions)
        self._complete = (state, found) if whole else None
        return found

    def joined(self, one: ModelVersion, aliases: Mapping[str, str] | None = None) -> ModelVersion:
        """A version with its aliases and what its run tells, as far as that was read."""
        if aliases is None:
            aliases = self._seen[one.ref.model].model.aliases
        run = self._runs.get(one.run or "", Run())
        told = {key: value for key, value in run.tags.items() if not key.startswith("mlflow.")}
        return replace(
            one,
            aliases=tuple(sorted(alias for alias, version in aliases.items() if version == one.ref.version)),
            author=one.author or run.tags.get("mlflow.user", ""),
            metrics=run.metrics,
            params=run.params,
            tags={**told, **one.tags},
            commit=run.tags.get("mlflow.source.git.commit", ""),
            code=run.tags.get("mlflow.source.name", ""),
            datasets=tuple(sorted(Dataset(*told) for told in run.datasets)),
        )

    def run(self, store: Store, run: str, deadline: float) -> Run:
        """One run, read afresh; without anything in it where there is none."""
        self._runs |= {run: store.runs([run], deadline).get(run, Run())}
        return self._runs[run]

    # ── models and versions ─────────────────────────────────────────────────────────────────────────────────────

    def _models(self, store: Store, deadline: float) -> dict[str, Model]:
        found: dict[str, Model] = {}
        token = ""
        while True:
            page, token = store.models(MODELS_PAGE, token, deadline)
            found.update((one.name, one) for one in page if not self._only or one.name in self._only)
            if not token:
                return found

    def _read(self, store: Store, models: Mapping[str, Model], others: int, deadline: float) -> bool:
        """Bring ``_seen`` up to date with ``models``: those that changed, and so many others. Whether it got so far."""
        for name in self._seen.keys() - models.keys():
            del self._seen[name]
        changed = [name for name in models if self._stale(name, models)]
        try:
            if len(changed) >= SWEEP_FROM and not self._only:
                self._sweep_all(store, models, set(changed), deadline)
            for name in (name for name in changed if self._stale(name, models)):
                self._keep(models[name], self._versions(store, name, deadline))
        except TimedOut:
            left = sum(self._stale(name, models) for name in models)
            if left == len(models):
                raise
            raise TimedOut(f"{left} of {len(models)} models are still to be read", hint="it goes on reading") from None
        same = sorted(self._seen.keys() - set(changed), key=lambda name: self._seen[name].at)
        try:
            for name in same[:others]:
                self._keep(models[name], self._versions(store, name, deadline))
        except TimedOut:
            return False
        return True

    def _stale(self, name: str, models: Mapping[str, Model]) -> bool:
        return name not in self._seen or self._seen[name].model != models[name]

    def _keep(self, model: Model, versions: Collection[ModelVersion]) -> None:
        self._seen[model.name] = _Seen(model, tuple(versions), time.monotonic())

    def _versions(self, store: Store, model: str, deadline: float) -> list[ModelVersion]:
        found: list[ModelVersion] = []
        token = ""
        while True:
            size = min(VERSIONS_PAGE, self._max_versions - len(found))
            page, token = store.versions(model, size, token, deadline)
            found += page
            if not token or len(found) >= self._max_versions:
                return found[: self._max_versions]

    def _sweep_all(self, store: Store, models: Mapping[str, Model], changed: set[str], deadline: float) -> None:
        """Read all versions by name, as far as time allows. It gives up where that takes as many calls as asking model
        by model, since some have thousands of versions of which few are wanted."""
        sweep = self._sweep = self._sweep or _Sweep()
        while sweep.pages < max(1, len(changed) // 2):
            page, sweep.token = store.versions("", SWEEP_PAGE, sweep.token, deadline)
            sweep.pages += 1
            for one in page:
                if one.ref.model != sweep.name:
                    self._swept(sweep)
                    sweep.name, sweep.model, sweep.found = one.ref.model, models.get(one.ref.model), []
                if len(sweep.found) < self._max_versions and one not in sweep.found[-1:]:
                    sweep.found.append(one)
            if not sweep.token:
                self._swept(sweep)
                for name in changed - self._seen.keys():
                    self._keep(models[name], ())  # registered, and without a version yet
                break
        self._sweep = None

    def _swept(self, sweep: _Sweep) -> None:
        if sweep.model is not None:
            self._keep(sweep.model, sweep.found)

    # ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read_runs(self, store: Store, deadline: float) -> bool:
        """Read the runs that are not known for good. Whether it got through."""
        if len(self._runs) > RUNS_KEPT:
            self._runs.clear()
        wanted = list(dict.fromkeys(run for _, run in sorted(self._unread())))
        for first in range(0, len(wanted), RUNS_PAGE):
            if time.monotonic() > deadline:
                return False
            some = wanted[first : first + RUNS_PAGE]
            try:
                found = store.runs(some, deadline)
            except TimedOut:
                return False
            except (Rejected, Forbidden):
                found = {}  # not for our eyes
            # Deleted for good, or not for our eyes: a version can outlive its run.
            self._runs |= {run: found.get(run, Run()) for run in some}
        return True

    def _unread(self) -> Iterator[tuple[int, str]]:
        for seen in self._seen.values():
            aliased = set(seen.model.aliases.values())
            for rank, one in enumerate(seen.versions):
                if one.run and not (one.run in self._runs and self._runs[one.run].final):
                    yield (0 if one.ref.version in aliased else rank), one.run
