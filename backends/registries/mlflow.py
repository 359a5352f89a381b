"""An MLflow model registry: in an SQLite file, or behind a server.

``mlflow_look`` reads a registry with few calls. ``mlflow_calls`` holds the calls that write. ``mlflow_artifacts`` finds
files.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import ClassVar
from urllib.parse import urlsplit, urlunsplit

from backends.contracts import Call, ModelRef, ModelVersion, Probe, ProbeKind, Receipt, Signature, Wiring
from backends.errors import (
    BackendError,
    Conflict,
    Forbidden,
    RateLimited,
    Rejected,
    TimedOut,
    Unsupported,
    before_sending,
)
from backends.options import Options, number, secret, text, texts
from backends.registries import mlflow_calls as calls
from backends.registries.mlflow_artifacts import MODEL_FILE, parse_location, signature_of
from backends.registries.mlflow_look import MODELS_PAGE, Look
from backends.registries.mlflow_rest import RestStore
from backends.registries.mlflow_sqlite import SqliteStore
from backends.registries.mlflow_store import API, Location, Store

SIGNATURES_KEPT = 5000


class MlflowOptions(Options):
    """Options: the address of the registry, its credentials, and how much of it is read."""

    uri = text("sqlite:////path/to/mlflow.db, or http(s)://server", required=True)
    token = secret("bearer token for a server")
    username = text("user name for a server with basic authentication")
    password = secret("password for a server with basic authentication")
    models = texts("only these models")
    max_versions = number("how many versions of each model to read", default=20)


class MlflowRegistry:
    """Thread-safe. Every call ends within ``timeout`` plus the time of at most one more answer of the server."""

    OPTIONS: ClassVar[type[Options]] = MlflowOptions

    def __init__(self, wiring: Wiring[MlflowOptions]) -> None:
        options = wiring.options
        self._uri = options.uri
        self._timeout = options.timeout_s
        self._only = frozenset(options.models or ())
        self._max_versions = max(1, int(options.max_versions))
        self._token, self._username, self._password = options.token, options.username, options.password
        self._opened: Store | None = None
        self._lock = threading.Lock()  # one call at a time; guards all fields below, and ``_opened``
        self._remarks: tuple[str, ...] = ()
        self._look = Look(self._only, self._max_versions)
        self._signatures: dict[tuple[ModelRef, str], tuple[Signature | None, str]] = {}

    def versions(self) -> tuple[ModelVersion, ...]:
        """All versions; models are in alphabetical order.

        If the deadline passes before everything is read, it raises ``TimedOut``, and the next call continues from
        there. Metrics of runs are read as far as time allows: those of aliased and of newest versions first.
        """
        return self.versions_with(frozenset())

    def versions_with(self, named: frozenset[ModelRef]) -> tuple[ModelVersion, ...]:
        with self._lock:
            found = self._look.versions(self._store(), self._deadline(), named)
            self._remarks = self._look.remarks()
            return found

    def remarks(self) -> tuple[str, ...]:
        return self._remarks

    def describe(self, ref: ModelRef) -> ModelVersion:
        with self._lock:
            store, deadline = self._store(), self._deadline()
            one, folder = store.version(ref.model, ref.version, deadline)
            aliases = store.aliases(ref.model, deadline)
            if one.run:
                self._look.run(store, one.run, deadline)
            self._look.logged(store, one.source, deadline)
            signature, note = self._signature(store, ref, folder, deadline)
            return replace(self._look.joined(one, aliases), signature=signature, signature_note=note)

    def own(self, ref: ModelRef) -> ModelVersion:
        with self._lock:
            store, deadline = self._store(), self._deadline()
            one, _ = store.version(ref.model, ref.version, deadline)
            aliases = store.aliases(ref.model, deadline)
            return replace(one, aliases=tuple(sorted(name for name, at in aliases.items() if at == ref.version)))

    def artifact(self, location: str) -> bytes:
        with self._lock:
            store, deadline = self._store(), self._deadline()
            found, folder = self._resolved(store, parse_location(location), deadline)
            return store.file(found, folder, deadline)

    def artifacts(self, location: str) -> tuple[str, ...]:
        with self._lock:
            store, deadline = self._store(), self._deadline()
            found, folder = self._resolved(store, parse_location(location), deadline)
            whole = f"runs:/{found.run}" if found.run else f"models:/{found.model}/{found.version}"
            return tuple(sorted(f"{whole}/{path}" for path in store.files(found, folder, deadline)))

    def compile_alias(self, model: str, alias: str, version: str, expected: str | None) -> tuple[Call, ...]:
        """Pure. An empty ``version`` deletes the alias. No call if the alias is already at ``version``.

        Raises:
            Rejected: MLflow reserves the alias.
        """
        return calls.compile_write(calls.alias(model, alias, version, expected), _without_credentials(self._uri))

    def compile_tag(self, ref: ModelRef, key: str, value: str, expected: str | None) -> tuple[Call, ...]:
        return calls.compile_write(calls.tag(ref, key, value, expected), _without_credentials(self._uri))

    def compile_stage(self, ref: ModelRef, stage: str, expected: str | None) -> tuple[Call, ...]:
        return calls.compile_write(calls.stage(ref, stage, expected), _without_credentials(self._uri))

    def send(self, call: Call) -> Receipt:
        """Write the value of the call if the registry still holds the expected one, and read it back.

        Raises:
            Conflict: another value than expected is there before the write, or another than written after it.
            TimedOut: the call was sent, and the value could not be read back.
        """
        write = calls.understood(call)
        with self._lock:
            store = self._store()
            deadline = self._deadline()
            with before_sending():
                now = _current_value(store, write, deadline)
                if now != write.expected:
                    raise Conflict(
                        f"{write.place} is {write.told(now)} now, not {write.told(write.expected)}",
                        hint="somebody else changed it: look again and plan anew",
                    )
            self._look.forget(write.model)
            store.write(call.path.removeprefix(API), call.method, write.body, deadline)
            try:
                now = _current_value(store, write, self._deadline())
            except BackendError as error:
                raise TimedOut(
                    f"{write.place} was set, but could not be read back: {error.message}", maybe_applied=True
                ) from None
        if now != write.value:
            raise Conflict(f"{write.place} was set, and is {write.told(now)} now: somebody else changed it as well")
        return Receipt(revision=write.value, detail=f"{write.place} is {write.told(write.value)}")

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

    def _resolved(self, store: Store, location: Location, deadline: float) -> tuple[Location, str]:
        """The location with its alias resolved to a version, and the URI of the folder that its path is relative to.

        Raises:
            Rejected: there is no such run, version or alias.
        """
        if location.run:
            run = self._look.run(store, location.run, deadline)
            if not run.artifacts:
                raise Rejected(f"there is no run {location.run}")
            return location, run.artifacts
        if location.alias:
            version = store.aliases(location.model, deadline).get(location.alias, "")
            if not version:
                raise Rejected(f"{location.model} has no alias @{location.alias}")
            location = replace(location, version=version, alias="")
        return location, store.version(location.model, location.version, deadline)[1]

    def _signature(self, store: Store, ref: ModelRef, folder: str, deadline: float) -> tuple[Signature | None, str]:
        """The signature, or why it is unknown. It is cached, as the files of a model version never change."""
        key = (ref, folder)
        if key not in self._signatures:
            if len(self._signatures) >= SIGNATURES_KEPT:
                self._signatures.clear()
            location = Location(MODEL_FILE, model=ref.model, version=ref.version)
            try:
                self._signatures[key] = (signature_of(store.file(location, folder, deadline)), "")
            except (Rejected, Unsupported) as error:
                return None, f"its {MODEL_FILE} file cannot be read: {error.message}"
        return self._signatures[key]


def _current_value(store: Store, write: calls.Write, deadline: float) -> str:
    """The current value in the registry; "" if it is unset."""
    if write.what is calls.What.ALIAS:
        return store.aliases(write.model, deadline).get(write.name, "")
    version, _ = store.version(write.model, write.version, deadline)
    if write.what is calls.What.TAG:
        return version.tags.get(write.name, "")
    return version.stage or calls.STAGES[0]


def _without_credentials(uri: str) -> str:
    """The address without user name and password."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
