"""Triton Inference Server, by its model repository API over HTTP.

Triton has no split: the greatest ready version answers requests that name no version. To make another version answer,
the model is loaded with a version policy that names that version and none above it. Versions below it stay, for
requests that name them. What is wanted follows from the states of the versions and not from the configuration: a
version that a load leaves as it is goes on telling the configuration of its own last load. Triton accepts this only in
explicit model control mode, and keeps it only in memory: when the model is next loaded without a configuration, the
repository's own configuration applies again.
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
https://github.com/triton-inference-server/server/blob/main/docs/user_guide/model_management.md
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar, cast
from urllib.parse import quote, unquote

from backends.connection import ConnectionOptions, connection
from backends.contracts import (
    Action,
    Call,
    Change,
    Diverged,
    Endpoint,
    EndpointRef,
    Forecast,
    ModelRef,
    Pending,
    Phase,
    Probe,
    ProbeKind,
    Progress,
    Promote,
    Receipt,
    Release,
    Role,
    Rollback,
    Settled,
    Variant,
    Wiring,
)
from backends.errors import BackendError, Conflict, Rejected, TimedOut, Unreachable, Unsupported, before_sending
from backends.options import Options, duration, table, text, texts
from backends.serving.split import can, possible, variant_of
from backends.serving.triton_wire import (
    LOADING,
    READY,
    UNLOADING,
    Json,
    Version,
    config_of,
    index_of,
    policy_of,
    told_policy,
    with_versions,
)

EXPLICIT = "start Triton with --model-control-mode=explicit"
ONE_KNOWN = "Triton tells of version {} only: it knows those that were loaded since it started"
ONLY_THERE = "Triton loads by request in explicit model control mode only"


@dataclass(frozen=True, slots=True)
class Native:
    """The data from which a change is compiled; ``config`` is ``None`` if no version is loaded."""

    versions: tuple[Version, ...]
    config: Json | None


class TritonOptions(ConnectionOptions):
    """The Triton server, and the models to show."""

    models = texts("the models to show, by name or pattern; else all that were loaded", default=())
    registered = table("what a model is called in the registry, by its name here", default={})
    scope = text("the scope to give them, if metrics or alerts name one", default="")
    control = text("its model control mode", default="explicit", choices=("explicit", "none", "poll"))
    load_timeout = duration("how long loading a model may take", default=300.0)


class TritonServing:
    """The models of one Triton. A request to load has no guard: a lost one has no fence."""

    OPTIONS: ClassVar[type[Options]] = TritonOptions

    def __init__(self, wiring: Wiring[TritonOptions]) -> None:
        options = wiring.options
        self._name = wiring.name
        self._http = connection(options)
        self._loading = connection(options, timeout_s=options.load_timeout)
        self._models = options.models
        self._registered = options.registered
        self._scope = options.scope
        self._known: dict[str, tuple[tuple[Version, ...], Json | None]] = {}
        self._refusal = None if options.control == "explicit" else f"{ONLY_THERE}, and this is {options.control}"

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The models that the options select, by name. A model's configuration is read again only if its versions have
        changed. ``read`` always reads it, so a plan also sees a model that was loaded again with the same versions."""
        index = {model: one for model, one in sorted(self._index().items()) if one and self._wants(model)}
        known, self._known = self._known, {}
        for model, versions in index.items():
            kept = known.get(model)
            config = kept[1] if kept is not None and kept[0] == versions else self._config(model, versions)
            self._known[model] = versions, config
        return tuple(self.explain(model, *told) for model, told in self._known.items())

    def read(self, ref: EndpointRef) -> Endpoint:
        versions = self._index().get(ref.name)
        if not versions:
            raise Rejected(f"Triton has no model {ref.name!r} that was loaded")
        return self.explain(ref.name, versions, self._config(ref.name, versions))

    def explain(self, model: str, versions: tuple[Version, ...], config: Json | None) -> Endpoint:
        """One model as an endpoint. Pure, except that it depends on the control mode, which a refused load reveals."""
        ready = [one for one in versions if one.state == READY]
        answering = ready[0].name if ready else ""
        wanted = asked_for(versions)
        variants = tuple(self._variant(model, one, answering, wanted) for one in versions)
        troubles = [f"{one.name}: {one.reason}" for one in versions if one.failed]
        moving = [f"{one.name} {one.state.lower()}" for one in versions if one.state in (LOADING, UNLOADING)]
        phase = Phase.PROGRESSING if moving else Phase.DEGRADED if troubles else Phase.STEADY
        return Endpoint(
            ref=EndpointRef(self._name, self._scope, model),
            variants=variants,
            phase=phase if ready else Phase.FAILED,
            message="; ".join([*moving, *troubles]) or ("" if ready else "no version is ready"),
            releases=tuple(
                Release(
                    one.name,
                    {one.name: 100.0},
                    current=one.name == answering,
                    good=False if one.failed else None,
                    why=f"failed to load: {one.reason}" if one.failed else "",
                )
                for one in versions
            ),
            revision=_revision(versions, config),
            actions=self._actions(versions, config),
            native={"triton": Native(versions, config)},
        )

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        """One load request, with a configuration that names the versions to load."""
        possible(endpoint, change, "Triton")
        native = cast("Native", endpoint.native["triton"])
        target = _target(endpoint, change)
        model = endpoint.ref.name
        ready = ", ".join(one.name for one in native.versions if one.state == READY) or "none"
        if native.config is None:
            body: dict[str, object] = {}
            summary = f"loaded versions {ready} → as the repository's own policy says"
        else:
            versions = _versions_for(native.versions, target)
            body = {"parameters": {"config": with_versions(native.config, versions)}}
            summary = f"loaded versions {ready} → {', '.join(versions)}"
        path = f"/v2/repository/models/{quote(model, safe='')}/load"
        command = ["curl", "-X", "POST", f"{self._http.base_url}{path}", "-d", json.dumps(body)]
        return (
            Call(
                method="POST",
                path=path,
                body=body,
                headers={"X-Expected-Revision": quote(endpoint.revision, safe=" ,:;")},
                guard=f"a second look just before ({endpoint.revision}); Triton itself has no guard",
                summary=summary,
                command=shlex.join(command),
            ),
        )

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        """The version that will answer requests without a version, and the versions that will not be available any
        more."""
        possible(endpoint, change, "Triton")
        native = cast("Native", endpoint.native["triton"])
        target = _target(endpoint, change)
        kept = _versions_for(native.versions, target)
        lost = [one.name for one in native.versions if one.state == READY and one.name not in kept]
        loading = [one.name for one in native.versions if one.state == LOADING and one.name not in kept]
        cautions = []
        if lost:
            cautions.append(f"requests that name version {', '.join(lost)} will fail")
        if loading:
            cautions.append(f"somebody loads version {', '.join(loading)} now: Triton unloads it again after that")
        if native.config is None:
            cautions.append("the repository's own policy decides which version is loaded: it may be another one")
        else:
            cautions.append(
                "kept in Triton's memory: a restart, or a load without a configuration, brings the repository's back"
            )
        pinned = [one for one in native.versions if one.state == READY]
        if len(kept) > 1 and native.config is not None:
            cautions.append(
                f"Triton may initialise version {', '.join(one for one in kept if one != target)} again as well: "
                "until that is done it may take their memory twice"
            )
        if len(pinned) > 1 or len(kept) > 1:
            cautions.append(
                "requests that name a version go there whichever answers the others, and are counted alike: shares and "
                "rates that were measured do not tell who answers"
            )
        answering = next((one.name for one in native.versions if one.state == READY), None)
        by_policy = native.config is None
        return Forecast(
            None if by_policy else {one.name: 100.0 if one.name == target else 0.0 for one in native.versions},
            tuple(cautions),
            Promote(answering) if answering is not None else None,
            final=answering is None,
            deploys=endpoint.variant(target) if by_policy else None,
        )

    def send(self, call: Call) -> Receipt:
        """Read the model again, then load it. Triton answers when it is done. If a version cannot be loaded, the
        versions from before stay.

        Raises:
            Conflict: the model has changed since the change was compiled.
            Rejected: Triton cannot load it, or is in another control mode.
        """
        model = unquote(call.path.split("/")[4])
        with before_sending():
            versions = self._index().get(model, ())
            now = quote(_revision(versions, self._config(model, versions)), safe=" ,:;")
            if now != call.headers["X-Expected-Revision"]:
                raise Conflict(f"{model} has changed since it was read: {_revision(versions, None)}")
        try:
            self._loading.request("POST", call.path, json=call.body, headers=call.headers)
        except TimedOut as error:
            raise self._explained(error, model, versions) from None
        except (Rejected, Unreachable) as error:  # 503 of newer versions, 400 of older ones
            if "not allowed" in error.message:
                self._refusal = ONLY_THERE
                raise Rejected(error.message, hint=EXPLICIT) from None
            raise
        return Receipt(detail="loaded")

    def _explained(self, error: TimedOut, model: str, before: tuple[Version, ...]) -> TimedOut:
        """The time-out, with why a version has failed to load since, if Triton tells of one."""
        told = {one.name: one for one in before}
        try:
            failed = [one for one in self._index().get(model, ()) if one.failed and told.get(one.name) != one]
        except BackendError:
            return error
        why = "; ".join(f"version {one.name}: {one.reason}" for one in failed)
        if not why:
            return error
        return TimedOut(f"{error.message}; {why}", hint=error.hint, maybe_applied=error.maybe_applied)

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        target = _target(before, change)
        native = cast("Native", now.native["triton"])
        version = next((one for one in native.versions if one.name == target), None)
        answering = next((one.name for one in native.versions if one.state == READY), None)
        if answering == target:
            return Settled(f"version {target} answers requests that name none")
        if any(one.state in (LOADING, UNLOADING) for one in native.versions):
            return Pending(now.message)
        if version is not None and version.failed:
            return Diverged(f"version {target} cannot be loaded: {version.reason}")
        return Diverged(
            f"version {answering or 'none'} answers, and {target} is {version.state if version else 'gone'}"
        )

    def probe(self) -> tuple[Probe, ...]:
        began = time.perf_counter()
        try:
            told = self._http.request("GET", "/v2").json()
        except BackendError as error:
            return (Probe(ProbeKind.REACH, False, error.message, error.hint),)
        what = " ".join(str(told.get(key, "")) for key in ("name", "version")) if isinstance(told, dict) else ""
        reach = Probe(
            ProbeKind.REACH, True, f"{self._http.where}: {what.strip()}", latency_s=time.perf_counter() - began
        )
        try:
            found = self.endpoints()
        except BackendError as error:
            return reach, Probe(ProbeKind.READ, False, error.message, error.hint)
        read = Probe(ProbeKind.READ, True, f"{len(found)} models")
        if self._refusal is not None:
            return reach, read, Probe(ProbeKind.WRITE, False, self._refusal, EXPLICIT)
        return reach, read, Probe(ProbeKind.WRITE, None, "Triton does not tell its model control mode")

    def close(self) -> None:
        self._http.close()
        self._loading.close()

    def _wants(self, model: str) -> bool:
        return not self._models or any(fnmatchcase(model, pattern) for pattern in self._models)

    def _index(self) -> dict[str, tuple[Version, ...]]:
        return index_of(self._http.request("POST", "/v2/repository/index", json={}, reads=True).json())

    def _config(self, model: str, versions: tuple[Version, ...]) -> Json | None:
        """The configuration of a loaded model, or ``None``: Triton gives none for a model without a ready version."""
        if not any(one.state == READY for one in versions):
            return None
        return config_of(self._http.request("GET", f"/v2/models/{quote(model, safe='')}/config").json())

    def _variant(self, model: str, one: Version, answering: str, wanted: Mapping[str, float | None]) -> Variant:
        ready = one.state == READY
        words = one.reason if one.failed else "answers requests that name it" if ready and one.name != answering else ""
        asked = wanted[one.name]
        return Variant(
            name=one.name,
            role=Role.STABLE if one.name == answering else Role.IDLE,
            model=ModelRef(self._registered.get(model, model), one.name),
            ready=int(ready),
            wanted=int(ready or asked == 100.0),
            desired=asked,
            observed=100.0 if one.name == answering else 0.0,
            message=words,
        )

    def _actions(self, versions: tuple[Version, ...], config: Json | None) -> dict[Action, str | None]:
        if self._refusal is not None:
            return can(self._refusal, Action.PROMOTE, Action.ROLLBACK)
        if not versions:
            return can("no version was loaded since Triton started", Action.PROMOTE, Action.ROLLBACK)
        if config is None:
            first = f"no version is ready: promote {versions[0].name} loads the model as its repository says"
            return {Action.PROMOTE: _loading(versions), Action.ROLLBACK: first}
        if len(versions) < 2:
            return can(ONE_KNOWN.format(versions[0].name), Action.PROMOTE, Action.ROLLBACK)
        return {Action.PROMOTE: _loading(versions), Action.ROLLBACK: None}


def _loading(versions: tuple[Version, ...]) -> str | None:
    """Why nothing can be promoted while a version is loading: the promotion would undo somebody's load unseen."""
    names = ", ".join(one.name for one in versions if one.state == LOADING)
    return f"somebody loads version {names} now: wait until it is ready, or has failed" if names else None


def asked_for(versions: tuple[Version, ...]) -> Mapping[str, float | None]:
    """Percent by version, as the states of the versions tell it: the greatest that is ready or loading should answer.

    A version that was unloaded is not wanted. Where a version above it has failed, Triton does not tell which of the
    two is wanted now, and both are ``None``.
    """
    held = next((number for number, one in enumerate(versions) if one.state in (READY, LOADING)), None)
    failed = [one.name for one in versions[:held] if one.failed]
    top = versions[held].name if held is not None else ""
    wanted: dict[str, float | None] = {one.name: 100.0 if one.name == top else 0.0 for one in versions}
    return wanted | dict.fromkeys([*failed, *([top] if top else [])], None) if failed else wanted


def _target(endpoint: Endpoint, change: Change) -> str:
    if isinstance(change, Rollback):
        known = [one.id for one in endpoint.releases]
        if change.release not in known:
            raise Rejected(f"{endpoint.ref.name} has no version {change.release!r}: known are {', '.join(known)}")
        name = change.release
    elif isinstance(change, Promote):
        name = variant_of(endpoint, change.variant).name
    else:
        raise Unsupported("Triton knows no split: one version answers")
    variant = variant_of(endpoint, name)
    if variant.observed == 100.0:
        raise Rejected(f"version {name} answers already")
    native = cast("Native", endpoint.native["triton"])
    if native.config is None and name != native.versions[0].name:
        first = native.versions[0].name
        raise Rejected(
            f"no version is ready, so Triton tells no configuration to load version {name} with",
            hint=f"promote {first} first: it loads the model as its repository says",
        )
    if not (name.isascii() and name.isdigit()):
        raise Rejected(f"version {name} is no number, and cannot be named in a version policy")
    return name


def _versions_for(versions: tuple[Version, ...], target: str) -> tuple[str, ...]:
    """The versions to load: ``target``, and the loaded versions below it. A version above it would answer in its
    place."""
    aim = Version(target)
    below = [one for one in versions if one.state == READY and one.order < aim.order and one.name.isdigit()]
    return tuple(one.name for one in sorted([aim, *below], key=lambda one: one.order))


def _revision(versions: tuple[Version, ...], config: Json | None) -> str:
    policy = f"; {told_policy(policy_of(config))}" if config is not None else ""
    return ", ".join(f"{one.name} {one.state or 'not loaded'}" for one in versions) + policy
