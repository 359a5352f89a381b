"""The findings of ``doctor`` for a source on Kubernetes: whether the server answers, and each missing permission."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ClassVar, Protocol

from backends.contracts import Action, Endpoint, Probe, ProbeKind
from backends.errors import BackendError
from backends.platforms.kubernetes.access import Need
from backends.platforms.kubernetes.cluster import Cluster
from backends.platforms.kubernetes.failures import Missing, forbidden_words
from backends.platforms.kubernetes.kinds import EVENT, Kind
from backends.platforms.kubernetes.objects import text
from backends.platforms.kubernetes.served import other_versions, served_otherwise
from backends.platforms.kubernetes.tried import KUBERNETES, newer, untried

UNTRIED = "mostly that is no matter; if something looks wrong, shiftdeck capture REF writes what to report"
NAMESPACES = 'set namespaces = ["NAME", …] for this source to read those that you may, or '


class Wants(Protocol):
    """The attributes of a ``System`` that decide which permissions it needs."""

    name: ClassVar[str]
    kinds: ClassVar[tuple[Kind, ...]]

    def needs(self, endpoint: Endpoint, action: Action) -> tuple[Need, ...]: ...


def probe(cluster: Cluster, system: Wants, endpoints: Callable[[], tuple[Endpoint, ...]]) -> tuple[Probe, ...]:
    """Reach, read and write. Changes nothing: permissions are asked for, not tried."""
    began = time.perf_counter()
    try:
        version = text(cluster.client.request("GET", "/version"), "gitVersion")
        cluster.access.forget()
        cluster.access.allowed(Need("list", system.kinds[0]), cluster.scopes[0])
    except BackendError as error:
        return (Probe(ProbeKind.REACH, False, error.message, error.hint),)
    took = time.perf_counter() - began
    where = cluster.client.where
    more = [newer(version, KUBERNETES), "its certificate is not checked" if cluster.client.unverified else ""]
    words = ", ".join([f"{where} answers", f"Kubernetes {version or '?'}", *filter(None, more)])
    reach = Probe(ProbeKind.REACH, True, words, latency_s=took)
    found = tuple(probe for kind in system.kinds for probe in _readable(cluster, kind, kind is system.kinds[0]))
    untold = dict.fromkeys(filter(None, (untried(cluster.client, kind) for kind in system.kinds)))
    news = tuple(Probe(ProbeKind.READ, None, words, UNTRIED) for words in untold)
    return reach, *found, *news, *_writable(cluster, system, endpoints())


def _readable(cluster: Cluster, kind: Kind, needed: bool) -> tuple[Probe, ...]:
    """What keeps each namespace from being read, and one finding for all others."""
    lacking = {scope: _lacking(cluster, kind, needed, scope) for scope in cluster.scopes}
    can = ", ".join(scope for scope, found in lacking.items() if not found and scope)
    words = f"{kind.resource} can be listed and watched" + (f" in {can}" if can else "")
    fine = (Probe(ProbeKind.READ, True, words),) if not all(lacking.values()) else ()
    return *dict.fromkeys(one for found in lacking.values() for one in found), *fine


def _lacking(cluster: Cluster, kind: Kind, needed: bool, scope: str) -> tuple[Probe, ...]:
    missing = _refusals(cluster, (Need("list", kind), Need("watch", kind), Need("get", kind)), scope)
    if missing:
        some = "" if scope else NAMESPACES
        return tuple(Probe(ProbeKind.READ, False, words, some + hint) for words, hint in missing)
    try:
        cluster.client.request("GET", kind.path(scope), query={"limit": "1"})
    except Missing:
        return (_missing(cluster, kind, needed),)
    except BackendError as error:
        return (Probe(ProbeKind.READ, False, error.message, error.hint),)
    return ()


def _missing(cluster: Cluster, kind: Kind, needed: bool) -> Probe:
    try:
        others = other_versions(cluster.client, kind)
    except BackendError as error:
        return Probe(ProbeKind.READ, False, error.message, error.hint)
    if others:
        found = served_otherwise(kind, others)
        return Probe(ProbeKind.READ, False, found.message, found.hint)
    words = f"{kind.resource} {kind.version} is not there"
    return Probe(ProbeKind.READ, False if needed else None, words, "install its CRD" if needed else "")


def _writable(cluster: Cluster, system: Wants, endpoints: tuple[Endpoint, ...]) -> tuple[Probe, ...]:
    """The permissions for all actions of a few endpoints, in the endpoints' namespaces."""
    wanted: dict[tuple[str, Need], None] = {}
    for namespace, endpoint in {endpoint.ref.scope: endpoint for endpoint in reversed(endpoints)}.items():
        for action in Action:
            for need in system.needs(endpoint, action) if action in endpoint.actions else ():
                wanted[namespace, need] = None
        if len(wanted) > 20:
            break
    if not wanted:
        return (Probe(ProbeKind.WRITE, None, f"no endpoint of {system.name} to ask about"),)
    found = [(words, hint) for namespace, need in wanted for words, hint in _refusals(cluster, (need,), namespace)]
    if not found:
        names = ", ".join(dict.fromkeys(f"{need.verb} {need.resource}" for _, need in wanted))
        probes = [Probe(ProbeKind.WRITE, True, f"may {names}")]
    else:
        probes = [Probe(ProbeKind.WRITE, False, words, hint) for words, hint in found]
    namespace = next(iter(wanted))[0]
    for words, _ in _refusals(cluster, (Need("create", EVENT),), namespace):
        probes.append(Probe(ProbeKind.WRITE, None, words, "changes are made all the same, but leave no Event"))
    return tuple(probes)


def _refusals(cluster: Cluster, needs: tuple[Need, ...], namespace: str) -> list[tuple[str, str]]:
    """The missing permissions on each resource, in words, each with the rule that would grant it."""
    missing: dict[tuple[Kind, str], list[str]] = {}
    for need in needs:
        try:
            if not cluster.access.allowed(need, namespace):
                missing.setdefault((need.kind, need.subresource), []).append(need.verb)
        except BackendError as error:
            return [(error.message, error.hint)]
    found = []
    for (kind, subresource), verbs in missing.items():
        sub = f"/{subresource}" if subresource else ""
        said = ", ".join(verbs)
        group = kind.group or '""'
        where = f"a role in {namespace}" if namespace else "a cluster role"
        rule = f"{where} with apiGroups [{group}], resources [{kind.plural}{sub}], verbs [{said}]"
        found.append((forbidden_words(said, kind.resource + sub, namespace), f"ask for {rule}"))
    return found
