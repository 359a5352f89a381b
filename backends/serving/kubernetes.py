"""Serving on Kubernetes: the code that all such systems share. A ``System`` is the part of one system; it does no
I/O."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar, NamedTuple, Protocol

from backends.contracts import (
    Action,
    Call,
    Change,
    Discovered,
    Diverged,
    Endpoint,
    EndpointRef,
    Held,
    Probe,
    Progress,
    Receipt,
    Wiring,
    action_of,
)
from backends.errors import BackendError, Forbidden, Rejected, Unreachable, Unsupported
from backends.options import Options
from backends.platforms.kubernetes.access import Need
from backends.platforms.kubernetes.cluster import Cluster, acquire, release
from backends.platforms.kubernetes.failures import Missing
from backends.platforms.kubernetes.fences import FENCE, fence_call, fence_of
from backends.platforms.kubernetes.kinds import Kind
from backends.platforms.kubernetes.leases import Leases, holder_of, lease_name
from backends.platforms.kubernetes.objects import items, revision_of, text
from backends.platforms.kubernetes.pods import running_images, running_pods
from backends.platforms.kubernetes.store import trim
from backends.serving.kubernetes_discover import discover
from backends.serving.kubernetes_options import KubernetesOptions
from backends.serving.kubernetes_probe import probe
from backends.serving.kubernetes_views import (
    Finished,
    Fresh,
    Known,
    Objects,
    Refusals,
    Within,
    owner_among,
    type_of,
    while_deleted,
)
from backends.serving.lab import operator_name

__all__ = ["Kind", "KubernetesOptions", "KubernetesServing", "Need", "Objects", "Part", "System"]

JSON = "application/json"
PATIENCE = 1.5
"""How long the first list may take, as a multiple of the time-out: it has many pages, each with its own time-out."""

UID = "shiftdeck/uid"
"""The key of an endpoint's ``native`` under which it has the uid of its object."""

MAX_ROUNDS = 4
"""How many times reading an endpoint's parts may lead to further parts."""


class Part(NamedTuple):
    """An object to read for one endpoint: the object of that ``name``. If ``name`` is "", all objects of the namespace
    that match the label ``selector`` ("" matches all)."""

    kind: Kind
    namespace: str
    name: str = ""
    selector: str = ""


class System(Protocol):
    """One serving system. Pure: no I/O, no clock. Subclass it to have the defaults."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]
    """All kinds that the system reads. The first is the kind of object that gives an endpoint its name."""
    selectors: ClassVar[Mapping[Kind, str]] = MappingProxyType({})
    """Label selectors, for kinds of which the system needs only some objects: the others are neither listed nor
    kept."""
    by_namespace: ClassVar[bool] = False
    """Whether an endpoint depends only on objects of its own namespace. Then only changed namespaces are explained
    again."""
    signs: ClassVar[tuple[Kind, ...]] = ()
    """Kinds that show that a cluster has the system: one of them is enough. Default: the first of ``kinds``."""
    unless: ClassVar[tuple[Kind, ...]] = ()
    """Kinds whose presence makes it unlikely that an operator wants this system as a source of its own."""

    def explain(self, objects: Objects, backend: str) -> tuple[Endpoint, ...]:
        """All endpoints, as ``backend:namespace/name``, in the order of their names.

        ``revision`` is the guard of ``compile``: the object's ``generation``, as from ``patches.token``. The adapter
        fills in ``owner`` and missing permissions afterwards, in the same way for all systems; an ``owner`` that is set
        here stays.
        """
        ...

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        """As ``backends.contracts.Serving.compile``; the objects that it needs are in ``endpoint.native``."""
        ...

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        """As ``backends.contracts.Serving.progress``."""
        ...

    def parts(self, ref: EndpointRef, objects: Objects) -> tuple[Part, ...]:
        """The objects of that endpoint, the primary object first; they are read again before a change. The method is
        called again with the objects that were read, until it names no new part, so it can follow names from object to
        object. Objects of other kinds come from the watches."""
        return (Part(self.kinds[0], ref.scope, ref.name),)

    def needs(self, endpoint: Endpoint, action: Action) -> tuple[Need, ...]:
        """The permissions that ``action`` needs in the endpoint's namespace."""
        return (Need("patch", self.kinds[0]),)

    def target(self, endpoint: Endpoint) -> tuple[Kind, str, str]:
        """The object (kind, namespace, name) that gets the Event about a change."""
        return self.kinds[0], endpoint.ref.scope, endpoint.ref.name

    def written(self, endpoint: Endpoint) -> tuple[tuple[Kind, str, str], ...]:
        """All objects that changes write, as ``target``: each may have an owner of its own."""
        return (self.target(endpoint),)


class KubernetesServing:
    """A ``Serving``, ``Previews``, ``Runs`` and ``Courteous`` over one ``System``: subclasses set ``system``."""

    OPTIONS: ClassVar[type[Options]] = KubernetesOptions
    system: ClassVar[System]

    def __init__(self, wiring: Wiring[KubernetesOptions]) -> None:
        options = wiring.options
        self._name = wiring.name
        self._wake = wiring.wake
        self._account = options.account
        self._selector, self._with_events, self._with_leases = options.selector, options.events, options.leases
        self._timeout_s = self._account.timeout_s
        self._lock = threading.Lock()
        self._cluster: Cluster | None = None
        self._kept: dict[str, tuple[object, tuple[Endpoint, ...]]] = {}
        self._explanation: tuple[object, Mapping[str, tuple[Endpoint, ...]]] | None = None
        self._finished: Mapping[str, Finished] = {}
        self._remarks: tuple[str, ...] = ()
        self._closed = False

    # ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────

    def endpoints(self) -> tuple[Endpoint, ...]:
        """All endpoints, from the objects that the watches keep. The first call waits for the lists.

        Raises:
            BackendError: the endpoints' own kind cannot be read, or the server does not answer.
        """
        cluster = self._following()
        deadline = time.monotonic() + PATIENCE * self._timeout_s
        primary = self.system.kinds[0]
        try:
            cluster.ping(primary)
            remarks = [
                cluster.check(kind, self._selector_of(kind), needed=kind == primary, deadline=deadline)
                for kind in self.system.kinds
            ]
        except BackendError:
            cluster.lost()
            raise
        self._remarks = tuple(words for each in remarks for words in each)
        known = Known(cluster, self._selector_of)
        refusals = Refusals(cluster, deadline)
        groups = self._explained(cluster, known)
        self._finished = {name: self._finish(name, group, known, refusals) for name, group in groups.items()}
        return tuple(endpoint for group in self._finished.values() for endpoint in group.made)

    def remarks(self) -> tuple[str, ...]:
        """What could not be read for the last ``endpoints``, one sentence each: a namespace, or a kind that helps to
        explain the endpoints, for which a permission is missing; a kind at another version."""
        return self._remarks

    def _explained(self, cluster: Cluster, known: Known) -> Mapping[str, tuple[Endpoint, ...]]:
        """The endpoints in groups that are explained separately; a group that has not changed is the same object as
        before."""
        kinds = [(kind, self._selector_of(kind)) for kind in self.system.kinds]
        # The stamp is taken first, so that a change in between leads to another explanation.
        stamp = tuple(cluster.stamp(*kind) for kind in kinds)
        if self._explanation is None or self._explanation[0] != stamp:
            groups = self._by_namespace(cluster, kinds) if self.system.by_namespace else None
            self._explanation = stamp, {"": self.system.explain(known, self._name)} if groups is None else groups
        return self._explanation[1]

    def _by_namespace(self, cluster: Cluster, kinds: Sequence[tuple[Kind, str]]) -> Mapping[str, tuple[Endpoint, ...]]:
        """The endpoints by namespace. Only changed namespaces are explained again: of thousands of endpoints, few
        change."""
        before, kept = self._kept, {}
        for namespace in cluster.namespaces(*kinds[0]):
            stamp = tuple(cluster.stamp(*kind, namespace) for kind in kinds)
            one = before.get(namespace)
            if one is None or one[0] != stamp:
                things = Within({kind: cluster.within(kind, selector, namespace) for kind, selector in kinds})
                one = stamp, self.system.explain(things, self._name)
            kept[namespace] = one
        self._kept = kept
        return {namespace: group for namespace, (_, group) in kept.items()}

    def _finish(self, name: str, group: tuple[Endpoint, ...], known: Known, refusals: Refusals) -> Finished:
        """The group with missing permissions filled in; the previous result if neither the group nor an answer has
        changed."""
        before = self._finished.get(name)
        if before is not None and before.group is group and refusals.stand(before.asked):
            return before
        asked = refusals.recorded()
        made = tuple(self._identified(known, self._completed(known, one, refusals)) for one in group)
        return Finished(group, asked, made)

    def read(self, ref: EndpointRef) -> Endpoint:
        """One endpoint. All its parts are read from the server now; other objects come from the watches, and so do
        parts other than the endpoint's own object if they may not be read by themselves."""
        cluster = self._following()
        known = Known(cluster, self._selector_of)
        fresh = Fresh(known)
        asked: set[Part] = set()
        for _ in range(MAX_ROUNDS):
            wanted = [part for part in self.system.parts(ref, fresh) if part not in asked]
            for part in wanted:
                self._fetch(cluster, fresh, part, first=not asked)
                asked.add(part)
            if not wanted:
                break
        deadline = time.monotonic() + self._timeout_s
        for kind in self.system.kinds:
            cluster.await_current(kind, self._selector_of(kind), deadline=deadline)
        found = next((one for one in self.system.explain(fresh, self._name) if one.ref == ref), None)
        if found is None:
            raise Rejected(f"there is no endpoint {ref}")
        refusals = Refusals(cluster, deadline, by_name=True)
        return self._identified(fresh, self._completed(fresh, found, refusals))

    def _fetch(self, cluster: Cluster, fresh: Fresh, part: Part, *, first: bool) -> None:
        path = part.kind.path(part.namespace, part.name)
        query = {"labelSelector": part.selector} if part.selector else None
        try:
            answer = cluster.client.request("GET", path, query=query)
        except Missing:
            if first and part.name:
                raise Rejected(f"there is no {part.kind.kind} {part.name} in {part.namespace}") from None
            fresh.put(part.kind, ())
            return
        except Forbidden:
            if first or part.kind == self.system.kinds[0]:
                raise
            return
        things = [answer] if part.name else [{**type_of(part.kind), **one} for one in items(answer, "items")]
        fresh.put(part.kind, [trim(dict(thing)) for thing in things])

    def _completed(self, objects: Objects, endpoint: Endpoint, refusals: Refusals) -> Endpoint:
        """The endpoint with the facts that are the same for all systems: the owner, and missing permissions."""
        _, namespace, name = self.system.target(endpoint)
        endpoint = while_deleted(objects, endpoint, self.system.written(endpoint))
        refused: dict[Action, str | None] = {}
        for action, reason in endpoint.actions.items():
            if reason is not None:
                continue
            for need in self.system.needs(endpoint, action):
                refusal = refusals.of(need, need.namespace or namespace, name)
                if refusal is not None:
                    refused[action] = refusal
                    break
        owner = endpoint.owner or owner_among(objects, self.system.written(endpoint))
        if not refused and owner == endpoint.owner:
            return endpoint
        return replace(endpoint, owner=owner, actions={**endpoint.actions, **refused})

    def _identified(self, objects: Objects, endpoint: Endpoint) -> Endpoint:
        """The endpoint with the uid of its object: an object of the same name may be another one."""
        kind, namespace, name = self.system.target(endpoint)
        uid = text(objects.of(kind).get((namespace, name)), "metadata", "uid")
        return replace(endpoint, native={**endpoint.native, UID: uid}) if uid else endpoint

    # ── changing ────────────────────────────────────────────────────────────────────────────────────────────────

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        action = action_of(change)
        if action not in endpoint.actions:
            raise Unsupported(f"{self.system.name} knows no {action.value}")
        reason = endpoint.actions[action]
        if reason is not None:
            raise Rejected(f"{endpoint.ref.name} cannot {action.value} now: {reason}")
        return tuple(map(self._in_context, self.system.compile(endpoint, change)))

    def fence(self, endpoint: Endpoint, lost: Call) -> Call | None:
        """A new value of the annotation that the lost patch tests, on the object of that patch."""
        call = fence_call(lost, endpoint.revision)
        return None if call is None else self._in_context(call)

    def _in_context(self, call: Call) -> Call:
        """The call with a command that names the context of the kubeconfig, if the operator named one."""
        if not (context := self._account.context):
            return call
        named = f"kubectl --context={shlex.quote(context)} "
        return replace(call, command=call.command.replace("kubectl ", named, 1))

    def send(self, call: Call) -> Receipt:
        """As ``Serving.send``. Raises ``Rejected`` if the server drops what a fence writes."""
        cluster = self._following()
        answer = cluster.client.request(
            call.method, call.path, body=call.body, content_type=call.headers.get("Content-Type", JSON)
        )
        if (fence := fence_of(call)) is not None and text(answer, *fence[0], FENCE) != fence[1]:
            raise Rejected(f"{cluster.client.where} does not keep the annotation {FENCE}")
        revision = revision_of(answer)
        if self._with_events:
            cluster.events.write(answer, f"{call.summary} (by {operator_name()} with shiftdeck)")
        return Receipt(revision, f"accepted as resourceVersion {revision}" if revision else "accepted")

    def preview(self, call: Call) -> str:
        """Have the server validate and admit the call, and check its guard, with ``dryRun=All``."""
        if "/proxy/" in call.path:
            raise Unsupported("a call through a service's proxy cannot be tried")
        cluster = self._following()
        try:
            cluster.client.request(
                call.method,
                call.path,
                query={"dryRun": "All"},
                body=call.body,
                content_type=call.headers.get("Content-Type", JSON),
            )
        except Rejected as error:
            if "does not support dry run" in error.message:
                raise Unsupported(error.message) from None
            raise
        return "dry run accepted"

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        was, present = before.native.get(UID), now.native.get(UID)
        if was and present and was != present:
            return Diverged("it is not the object that was changed: made anew, or the kubeconfig leads elsewhere now")
        return self.system.progress(before, now, change)

    # ── what runs ───────────────────────────────────────────────────────────────────────────────────────────────────

    def running(self, scope: str) -> Mapping[str, tuple[str, ...]]:
        """As ``Runs.running``. The namespace's pods are listed now: they are too many to be watched for this alone."""
        return running_images(running_pods(self._following().client, scope))

    def capture(self, ref: EndpointRef) -> Mapping[str, object]:
        """As ``Captures.capture``."""
        from backends.serving.capture import captured

        self.endpoints()
        cluster = self._following()
        version = text(cluster.client.request("GET", "/version"), "gitVersion")
        return {"kubernetes": version, **captured(self.system, Known(cluster, self._selector_of), ref)}

    # ── who is at work ──────────────────────────────────────────────────────────────────────────────────────────

    def at_work(self, ref: EndpointRef) -> Held | None:
        return self._leases().held(ref.scope, lease_name(self.system.name, ref.name))

    def begin_work(self, ref: EndpointRef, for_s: float) -> Held | None:
        return self._leases().take(ref.scope, lease_name(self.system.name, ref.name), for_s)

    def end_work(self, ref: EndpointRef) -> None:
        self._leases().let_go(ref.scope, lease_name(self.system.name, ref.name))

    def _leases(self) -> Leases:
        if not self._with_leases:
            raise Unsupported("no Leases are used", hint="leases = true")
        cluster = self._following()
        return Leases(cluster.client, cluster.access, holder_of(operator_name()))

    # ── discovery ───────────────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def discover(cls, env: Mapping[str, str]) -> Discovered | None:
        """Whether the cluster of the kubeconfig's current context has the system's kind."""
        return discover(cls.system, env)

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────

    def probe(self) -> tuple[Probe, ...]:
        return probe(self._following(), self.system, self._endpoints_or_none)

    def close(self) -> None:
        with self._lock:
            cluster, self._cluster, self._closed = self._cluster, None, True
        if cluster is not None:
            cluster.unfollow(self._wake)
            release(cluster)

    def _endpoints_or_none(self) -> tuple[Endpoint, ...]:
        try:
            return self.endpoints()
        except BackendError:
            return ()

    def _following(self) -> Cluster:
        with self._lock:
            if self._closed:
                raise Unreachable("this source is closed", maybe_applied=False)
            if self._cluster is None:
                self._cluster = acquire(self._account)
                for kind in self.system.kinds:
                    self._cluster.follow(kind, self._selector_of(kind), self._wake)
            return self._cluster

    def _selector_of(self, kind: Kind) -> str:
        own = self.system.selectors.get(kind, "")
        given = self._selector if kind == self.system.kinds[0] else ""
        return ",".join(part for part in (own, given) if part)
