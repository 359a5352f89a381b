"""An MLflow model registry: in an SQLite file, or behind a server.

A registry may hold thousands of models, and a server cannot be asked what changed. So each look lists the models (which
brings their aliases; the search for versions never does), and reads anew the versions of those that changed and of a
few others in turn. Runs are read once, since a finished run does not change.
"""

from __future__ import annotations

import re
import shlex
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, cast
from urllib.parse import urlsplit, urlunsplit

from backends.contracts import Call, ModelVersion, Probe, ProbeKind, Receipt, Wiring
from backends.errors import (
    BackendError,
    Conflict,
    Forbidden,
    RateLimited,
    Rejected,
    TimedOut,
    Unsupported,
)
from backends.registries.mlflow_rest import RestStore
from backends.registries.mlflow_sqlite import SqliteStore
from backends.registries.mlflow_store import API, Model, Run, Store
from backends.settings import Secret, Setting, SettingType

ALIAS_PATH = f"{API}/registered-models/alias"
EXPECTED = "Shiftdeck-Expected"  # the version that the alias must be at, "" for none; MLflow ignores it
MODELS_PAGE = 200
VERSIONS_PAGE = 100
REREAD = 10  # models that are read anew at each look although nothing says that they changed
RUNS_KEPT = 20_000
RESERVED = re.compile(r"latest|v\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A model as it was when its versions were read."""

    model: Model
    versions: tuple[ModelVersion, ...]
    at: float


class MlflowRegistry:
    """Thread-safe. Every call ends within ``timeout``, or the time of one more answer of the server."""

    SETTINGS: ClassVar[tuple[Setting, ...]] = (
        Setting("uri", SettingType.TEXT, "sqlite:////path/to/mlflow.db, or http(s)://server", required=True),
        Setting("token", SettingType.SECRET, "bearer token for a server"),
        Setting("username", SettingType.TEXT, "user name for a server with basic authentication"),
        Setting("password", SettingType.SECRET, "password for a server with basic authentication"),
        Setting("models", SettingType.TEXTS, "only these models"),
        Setting("max_versions", SettingType.NUMBER, "how many versions of each model to read", default=20),
    )

    def __init__(self, wiring: Wiring) -> None:
        options = wiring.options
        self._uri = str(options["uri"])
        self._timeout = cast("float", options["timeout"])
        self._only = frozenset(cast("tuple[str, ...]", options["models"] or ()))
        self._max_versions = max(1, int(cast("float", options["max_versions"])))
        self._token = cast("Secret | None", options["token"])
        self._username = cast("str | None", options["username"])
        self._password = cast("Secret | None", options["password"])
        self._opened: Store | None = None
        self._lock = threading.Lock()  # one look at a time; guards all below
        self._seen: dict[str, _Seen] = {}
        self._runs: dict[str, Run] = {}
        self._complete: tuple[object, tuple[ModelVersion, ...]] | None = None  # what to say while nothing is written

    def versions(self) -> tuple[ModelVersion, ...]:
        """Models in alphabetical order. Where reading all takes longer than the deadline, it raises ``TimedOut`` and
        goes on from there the next time; what runs measured comes as time allows, aliased and newest versions first."""
        with self._lock:
            store = self._store()
            deadline = self._deadline()
            state = store.state(deadline)
            if state is not None and self._complete is not None and self._complete[0] == state:
                return self._complete[1]
            models = self._models(store, deadline)
            # Where it is known that something was written, all is read anew: then it need not be until the next time.
            others = REREAD if state is None else len(models)
            whole = self._read(store, models, others, deadline) and self._read_runs(store, deadline)
            found = tuple(self._joined(one) for name in sorted(models) for one in self._seen[name].versions)
            self._complete = (state, found) if whole else None
            return found

    def compile_alias(self, model: str, alias: str, version: str, expected: str | None) -> tuple[Call, ...]:
        """Pure. An empty ``version`` takes the alias away. Empty where the alias is there already.

        Raises:
            Rejected: the alias is one of MLflow's own names.
        """
        if RESERVED.fullmatch(alias):
            raise Rejected(f"MLflow keeps the alias {alias!r} to itself", hint="v<number> and latest are reserved")
        if version == (expected or ""):
            return ()
        body = {"name": model, "alias": alias}
        arguments = f"{model!r}, {alias!r}"
        verb = "delete"
        if version:
            body["version"] = version
            arguments += f", {version!r}"
            verb = "set"
        script = (
            f"from mlflow import MlflowClient; "
            f"MlflowClient({_without_credentials(self._uri)!r}).{verb}_registered_model_alias({arguments})"
        )
        stands = f"still at {expected}" if expected else "still unset"
        return (
            Call(
                "POST" if version else "DELETE",
                ALIAS_PATH,
                body,
                headers={EXPECTED: expected or ""},
                guard=f"alias @{alias} {stands} (read, set, read back: MLflow has no compare-and-set)",
                summary=f"{model}: alias @{alias} {expected or 'unset'} → {version or 'unset'}",
                command=f"python -c {shlex.quote(script)}",
            ),
        )

    def send(self, call: Call) -> Receipt:
        """Set the alias if it is where it was, and see that it is where it should be.

        Raises:
            Conflict: it is elsewhere, before or after.
            TimedOut: with ``maybe_applied`` where it was sent and could not be read back.
        """
        model, alias, version, expected = _told(call)
        with self._lock:
            store = self._store()
            deadline = self._deadline()
            now = store.aliases(model, deadline).get(alias, "")
            if now != expected:
                raise Conflict(
                    f"alias @{alias} of {model} is {_at(now)} now, not {_at(expected)}",
                    hint="somebody else moved it: look again and plan anew",
                )
            self._complete = None
            if version:
                store.set_alias(model, alias, version, deadline)
            else:
                store.delete_alias(model, alias, deadline)
            try:
                now = store.aliases(model, self._deadline()).get(alias, "")
            except BackendError as error:
                raise TimedOut(
                    f"alias @{alias} of {model} was set, but could not be read back: {error.message}",
                    maybe_applied=True,
                ) from None
        if now != version:
            raise Conflict(f"alias @{alias} of {model} was set, and is {_at(now)} now: somebody else moved it as well")
        return Receipt(revision=version, detail=f"alias @{alias} of {model} is {_at(version)}")

    def probe(self) -> tuple[Probe, ...]:
        with self._lock:
            try:
                store = self._store()
                began, deadline = time.monotonic(), self._deadline()
                store.state(deadline)
                models, token = store.models(MODELS_PAGE, "", deadline)
            except BackendError as error:
                answered = isinstance(error, Forbidden | Rejected | RateLimited)
                kind = ProbeKind.READ if answered else ProbeKind.REACH
                return (Probe(kind, False, error.message, error.hint),)
            took = time.monotonic() - began
            writable = store.writable()
        count = f"{len(models)}{' or more' if token else ''} models"
        said = {True: "the file may be written", False: "the file or its folder may not be written", None: "not tried"}
        return (
            Probe(ProbeKind.REACH, True, f"{_without_credentials(self._uri)} answered", latency_s=took),
            Probe(ProbeKind.READ, True, count, "" if models else "nothing is registered there: check the uri"),
            Probe(
                ProbeKind.WRITE, writable, said[writable], "" if writable else "aliases are set by promoting a model"
            ),
        )

    def close(self) -> None:
        with self._lock:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _deadline(self) -> float:
        return time.monotonic() + self._timeout

    def _store(self) -> Store:
        if self._opened is None:
            self._opened = self._open()
        self._opened.prepare(self._deadline())
        return self._opened

    def _open(self) -> Store:
        scheme = self._uri.partition(":")[0]
        if scheme == "sqlite":
            return SqliteStore(self._uri)
        if scheme in ("http", "https"):
            return RestStore(self._uri, self._timeout, self._token, self._username, self._password)
        raise Unsupported(f"a registry at {scheme}: cannot be opened", hint="give a sqlite: or http(s): uri")

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
        changed = [name for name, model in models.items() if name not in self._seen or self._seen[name].model != model]
        same = sorted(self._seen.keys() - set(changed), key=lambda name: self._seen[name].at)
        for count, name in enumerate(changed + same[:others]):
            try:
                self._seen[name] = _Seen(models[name], self._versions(store, name, deadline), time.monotonic())
            except TimedOut:
                if count >= len(changed):
                    return False
                if not count:
                    raise
                left = len(changed) - count
                raise TimedOut(
                    f"{left} of {len(models)} models are still to be read", hint="it goes on reading"
                ) from None
        return True

    def _versions(self, store: Store, model: str, deadline: float) -> tuple[ModelVersion, ...]:
        found: list[ModelVersion] = []
        token = ""
        while True:
            size = min(VERSIONS_PAGE, self._max_versions - len(found))
            page, token = store.versions(model, size, token, deadline)
            found += page
            if not token or len(found) >= self._max_versions:
                return tuple(found[: self._max_versions])

    def _read_runs(self, store: Store, deadline: float) -> bool:
        """Read the runs that are not known for good. Whether it got through."""
        if len(self._runs) > RUNS_KEPT:
            self._runs.clear()
        wanted: list[tuple[int, str]] = []
        for seen in self._seen.values():
            aliased = set(seen.model.aliases.values())
            for rank, one in enumerate(seen.versions):
                if one.run and not (one.run in self._runs and self._runs[one.run].final):
                    wanted.append((0 if one.ref.version in aliased else rank, one.run))
        for _, run in sorted(wanted):
            if time.monotonic() > deadline:
                return False
            try:
                self._runs[run] = store.run(run, deadline)
            except (Rejected, Forbidden):
                self._runs[run] = Run()  # deleted, or not for our eyes: a version can outlive its run
            except TimedOut:
                return False
        return True

    def _joined(self, one: ModelVersion) -> ModelVersion:
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
        )


def _told(call: Call) -> tuple[str, str, str, str]:
    """Model, alias, version and expected version of a call that ``compile_alias`` made."""
    body = call.body if isinstance(call.body, Mapping) else {}
    fields = [str(body.get(key, "")) for key in ("name", "alias", "version")]
    shape = (call.method, call.path, bool(fields[2]))
    if shape not in (("POST", ALIAS_PATH, True), ("DELETE", ALIAS_PATH, False)) or EXPECTED not in call.headers:
        raise Rejected(f"{call.method} {call.path} is not a call of this registry")
    return fields[0], fields[1], fields[2], call.headers[EXPECTED]


def _at(version: str) -> str:
    return f"at {version}" if version else "unset"


def _without_credentials(uri: str) -> str:
    """The address without a user's name and password in it."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
