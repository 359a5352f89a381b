"""Reads a whole MLflow registry, with few calls the first time and fewer afterwards. Not thread-safe.

A server cannot be asked what changed. So each read lists the models, with their aliases (the search for versions never
returns aliases). Then it reads again the versions of the models that changed, and of a few other models in turn. If
many models changed, as at the first read, all versions are read page by page instead of model by model. Runs are read
some hundreds at a time. A finished run is read once, since it does not change.

Only the newest versions of a model are listed. Versions that an alias, a stage or the caller names are read by name.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from backends.contracts import Dataset, ModelRef, ModelVersion
from backends.dropped import shown
from backends.errors import Forbidden, Malformed, Rejected, TimedOut
from backends.registries.mlflow_store import RUNS_PAGE, Logged, Model, Run, Store, logged_id

MODELS_PAGE = 200
VERSIONS_PAGE = 100
SWEEP_PAGE = 1000
SWEEP_FROM = 10
"""If at least this many models changed, all versions are read page by page."""

REREAD = 10  # unchanged models whose versions are read again at each read
RUNS_KEPT = 20_000
NAMED_S = 60.0
"""How long a version that was read by name is kept while its model does not change."""

GONE = "the registry has no such version"


@dataclass(frozen=True, slots=True)
class _Seen:
    """A model, as listed when its versions were read, and those versions. ``at`` is on ``time.monotonic``'s clock."""

    model: Model
    versions: tuple[ModelVersion, ...]
    at: float


@dataclass(slots=True)
class _Sweep:
    """A pass over all versions by name. If the server is slow, the pass takes several reads.

    A version that is deleted before the pass's position shifts the pages, so that the pass misses one version. That
    version is found when its model is read again.
    """

    token: str = ""
    pages: int = 0
    model: Model | None = None  # the model of the last version read, as listed then; None if it is not wanted
    name: str = ""
    found: list[ModelVersion] = field(default_factory=list)  # the versions of that model so far


class Look:
    """The models, versions and runs read so far. ``only`` names the models to read; if it is empty, all are read."""

    def __init__(self, only: frozenset[str], max_versions: int) -> None:
        self._only = only
        self._max_versions = max_versions
        self._seen: dict[str, _Seen] = {}
        self._runs: dict[str, Run] = {}
        self._logged: dict[str, tuple[Logged, float]] = {}  # with the time when each was read
        self._sweep: _Sweep | None = None
        self._named: dict[ModelRef, tuple[ModelVersion, float]] = {}  # with the time when each was read
        self._sources: dict[str, set[str]] = {}  # the logged models of each run
        self._unlisted: dict[str, str] = {}  # why the versions of a model cannot be listed
        # The last complete result, and the state of the store for which it is valid.
        self._complete: tuple[object, tuple[ModelVersion, ...]] | None = None

    def forget(self, model: str) -> None:
        """Read the model again next time, as something was written to it."""
        self._complete = None
        self._seen.pop(model, None)
        self._forget_named(model)

    def remarks(self) -> tuple[str, ...]:
        """Models that cannot be listed, and aliases whose version is not there."""
        told = [f"{shown(model)} cannot be listed: {shown(why)}" for model, why in sorted(self._unlisted.items())]
        for ref in sorted(self._named, key=str):
            seen = self._seen.get(ref.model)
            one = self._named[ref][0]
            for alias, version in sorted(seen.model.aliases.items() if seen is not None and one.absent else ()):
                if version == ref.version:
                    told.append(f"@{shown(alias)} of {shown(ref.model)} points to version {version}: {one.absent}")
        return tuple(told)

    def versions(
        self, store: Store, deadline: float, named: frozenset[ModelRef] = frozenset()
    ) -> tuple[ModelVersion, ...]:
        """The newest versions of each model and those that are named: models in alphabetical order, newest versions
        first.

        If ``deadline`` passes before everything is read, it raises ``TimedOut``, and the next call continues from
        there. Metrics of runs are read as far as time allows: those of aliased and of newest versions first.
        """
        state = store.state(deadline)
        key = (state, named)
        if state is not None and self._complete is not None and self._complete[0] == key:
            return self._complete[1]
        models = self._models(store, deadline)
        if state is not None:
            self._named.clear()
            self._logged.clear()
        # A changed state says that something was written, but not what: so all models are read again. After that
        # nothing is read until the state changes. A store without a state gets only a few models read again.
        others = REREAD if state is None else len(models)
        whole = self._read(store, models, others, deadline)
        whole = self._read_named(store, models, named, deadline) and whole
        whole = self._read_runs(store, deadline) and whole
        whole = self._read_logged(store, deadline, 1 if state is None else RUNS_PAGE) and whole
        self._sources = self._models_of_runs()
        found = tuple(self.joined(one) for name in sorted(models) for one in self._of(name))
        self._complete = (key, found) if whole else None
        return found

    def _of(self, model: str) -> list[ModelVersion]:
        """The versions of a model that were listed or read by name, newest first."""
        listed = self._seen[model].versions
        others = [one for ref, (one, _) in self._named.items() if ref.model == model]
        known = {one.ref for one in listed}
        return [*listed, *sorted((one for one in others if one.ref not in known), key=_number, reverse=True)]

    def joined(self, one: ModelVersion, aliases: Mapping[str, str] | None = None) -> ModelVersion:
        """A version with its aliases and with the metrics, parameters and tags of its run, if the run was read."""
        if aliases is None:
            aliases = self._seen[one.ref.model].model.aliases
        run = self._runs.get(one.run or "", Run())
        logged, _ = self._logged.get(logged_id(one.source), (Logged(), 0.0))
        # What a run with several models measured belongs to none of them in particular.
        shared = len(self._sources.get(one.run or "", ())) > 1
        told = {key: value for key, value in run.tags.items() if not key.startswith("mlflow.")}
        return replace(
            one,
            aliases=tuple(sorted(alias for alias, version in aliases.items() if version == one.ref.version)),
            author=one.author or run.tags.get("mlflow.user", ""),
            metrics=logged.metrics if shared else {**run.metrics, **logged.metrics},
            params=logged.params if shared else {**run.params, **logged.params},
            tags={**told, **one.tags},
            commit=run.tags.get("mlflow.source.git.commit", ""),
            code=run.tags.get("mlflow.source.name", ""),
            datasets=tuple(sorted(Dataset(*told) for told in run.datasets)),
        )

    def logged(self, store: Store, source: str, deadline: float) -> None:
        """Read the logged model that is the source of a version, if it is one."""
        if model := logged_id(source):
            self._logged[model] = store.logged([model], deadline).get(model, Logged()), time.monotonic()

    def run(self, store: Store, run: str, deadline: float) -> Run:
        """One run, read again; an empty ``Run`` if there is no such run."""
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
        """Read the versions of the models that changed, and of ``others`` unchanged models. True if all were read.

        Raises:
            TimedOut: a model that changed could not be read in time.
        """
        for name in self._seen.keys() - models.keys():
            self.forget(name)
        self._unlisted = {name: why for name, why in self._unlisted.items() if name in models}
        changed = [name for name in models if self._stale(name, models)]
        for name in changed:
            self._forget_named(name)
        try:
            if len(changed) >= SWEEP_FROM and not self._only:
                self._sweep_all(store, models, set(changed), deadline)
            for name in (name for name in changed if self._stale(name, models)):
                self._list(store, models[name], deadline)
        except TimedOut:
            left = sum(self._stale(name, models) for name in models)
            if left == len(models):
                raise
            raise TimedOut(f"{left} of {len(models)} models are still to be read", hint="it goes on reading") from None
        same = sorted(self._seen.keys() - set(changed), key=lambda name: self._seen[name].at)
        try:
            for name in same[:others]:
                self._list(store, models[name], deadline)
        except TimedOut:
            return False
        return True

    def _stale(self, name: str, models: Mapping[str, Model]) -> bool:
        return name not in self._seen or self._seen[name].model != models[name]

    def _list(self, store: Store, model: Model, deadline: float) -> None:
        """Read the versions of a model. If the registry refuses, those that were read before are kept: a name of which
        it makes nothing must not hide the other models."""
        try:
            found: Sequence[ModelVersion] = self._versions(store, model.name, deadline)
        except (Rejected, Forbidden, Malformed) as error:
            self._unlisted[model.name] = error.message
            seen = self._seen.get(model.name)
            found = seen.versions if seen is not None else ()
        else:
            self._unlisted.pop(model.name, None)
        self._keep(model, found)

    def _read_named(
        self, store: Store, models: Mapping[str, Model], named: frozenset[ModelRef], deadline: float
    ) -> bool:
        """Read the versions that are named and not among the newest. True if all were read in time."""
        whole, now = True, time.monotonic()
        wanted = {ref for ref in named if ref.model in models}
        for model in models.values():
            wanted |= {ModelRef(model.name, version) for version in (*model.aliases.values(), *model.staged)}
        listed = {one.ref for seen in self._seen.values() for one in seen.versions}
        kept = {ref: read for ref, read in self._named.items() if ref in wanted and ref not in listed}
        self._named = {}
        for ref in sorted(wanted - listed, key=str):
            if ref in kept and now - kept[ref][1] < NAMED_S:
                self._named[ref] = kept[ref]
                continue
            try:
                self._named[ref] = store.version(ref.model, ref.version, deadline)[0], now
            except TimedOut:
                whole = False
                self._named[ref] = kept.get(ref, (ModelVersion(ref, absent="it was not read in time"), -NAMED_S))
            except Rejected:
                self._named[ref] = ModelVersion(ref, absent=GONE), now
            except (Forbidden, Malformed) as error:
                self._named[ref] = ModelVersion(ref, absent=f"it cannot be read: {error.message}"), now
        return whole

    def _forget_named(self, model: str) -> None:
        self._named = {ref: read for ref, read in self._named.items() if ref.model != model}

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
        """Read all versions by name, as far as time allows.

        Some models have thousands of versions of which few are wanted. So the pass ends after half as many pages as
        models changed; the caller reads the remaining models one by one.
        """
        sweep = self._sweep = self._sweep or _Sweep()
        while sweep.pages < max(1, len(changed) // 2):
            page, sweep.token = store.versions("", SWEEP_PAGE, sweep.token, deadline)
            sweep.pages += 1
            for one in page:
                if one.ref.model != sweep.name:
                    self._keep_swept(sweep)
                    sweep.name, sweep.model, sweep.found = one.ref.model, models.get(one.ref.model), []
                if len(sweep.found) < self._max_versions and one not in sweep.found[-1:]:
                    sweep.found.append(one)
            if not sweep.token:
                self._keep_swept(sweep)
                for name in changed - self._seen.keys():
                    self._keep(models[name], ())  # a registered model that has no version yet
                break
        self._sweep = None

    def _keep_swept(self, sweep: _Sweep) -> None:
        if sweep.model is not None:
            self._keep(sweep.model, sweep.found)

    # ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read_runs(self, store: Store, deadline: float) -> bool:
        """Read the runs that are unknown or were unfinished. True if all were read in time."""
        if len(self._runs) > RUNS_KEPT:
            self._runs.clear()
        wanted = list(dict.fromkeys(run for _, run in sorted(self._unread_runs())))
        for first in range(0, len(wanted), RUNS_PAGE):
            if time.monotonic() > deadline:
                return False
            some = wanted[first : first + RUNS_PAGE]
            try:
                found = store.runs(some, deadline)
            except TimedOut:
                return False
            except (Rejected, Forbidden):
                found = {}  # this user may not read these runs
            # A run that was not found is deleted or may not be read; a version can outlive its run. It is kept as an
            # empty run, so that it is not asked for again.
            self._runs |= {run: found.get(run, Run()) for run in some}
        return True

    def _read_logged(self, store: Store, deadline: float, size: int) -> bool:
        """Read the logged models that are unknown, so many at a time, and a few that were read a while ago: metrics may
        be logged later. True if all unknown ones were read in time."""
        named = dict.fromkeys(logged_id(one.source) for name in self._seen for one in self._of(name))
        named.pop("", None)
        self._logged = {model: read for model, read in self._logged.items() if model in named}
        unknown = [model for model in named if model not in self._logged]
        before = time.monotonic() - NAMED_S
        old = [model for model, (_, at) in sorted(self._logged.items(), key=lambda one: one[1][1]) if at < before]
        for first in range(0, len(unknown), size):
            if time.monotonic() > deadline or not self._keep_logged(store, unknown[first : first + size], deadline):
                return False
        if old:
            self._keep_logged(store, old[:REREAD], deadline)
        return True

    def _keep_logged(self, store: Store, models: list[str], deadline: float) -> bool:
        try:
            found = store.logged(models, deadline)
        except TimedOut:
            return False
        except (Rejected, Forbidden):
            found = {}  # this user may not read these models
        now = time.monotonic()
        self._logged |= {model: (found.get(model, Logged()), now) for model in models}
        return True

    def _models_of_runs(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for name in self._seen:
            for one in self._of(name):
                if one.run and (model := logged_id(one.source)):
                    found.setdefault(one.run, set()).add(model)
        return found

    def _unread_runs(self) -> Iterator[tuple[int, str]]:
        for seen in self._seen.values():
            aliased = set(seen.model.aliases.values())
            for rank, one in enumerate(self._of(seen.model.name)):
                if one.run and not (one.run in self._runs and self._runs[one.run].final):
                    yield (0 if one.ref.version in aliased else rank), one.run


def _number(one: ModelVersion) -> tuple[int, str]:
    version = one.ref.version
    return (int(version) if version.isascii() and version.isdigit() and len(version) < 18 else 0), version
