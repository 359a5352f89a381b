"""Gateway API HTTPRoute (``gateway.networking.k8s.io/v1``): weights and mirrors of rules.

Weights are proportional, from 0 to a million; a missing weight counts as 1. A RequestMirror copies a ``percent`` or a
``fraction`` of the requests, or all requests if it has neither (Gateway API 1.6). The status says, per parent, whether
the configuration was accepted, and of which generation. Only metrics show that the requests follow it.
https://gateway-api.sigs.k8s.io/reference/spec/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

from backends.contracts import (
    Call,
    Change,
    Endpoint,
    EndpointRef,
    Mirror,
    Pending,
    Phase,
    Progress,
    Settled,
)
from backends.platforms.kubernetes.calls import add, expect, pointer, remove
from backends.platforms.kubernetes.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE
from backends.platforms.kubernetes.objects import (
    Object,
    items,
    key_of,
    name_of,
    number,
    owner_references,
    table,
    text,
    whole,
)
from backends.serving.backing import Backings, declared
from backends.serving.gateway_standing import Standing, phase_of, standing_of
from backends.serving.kubernetes import Kind, Objects, Part
from backends.serving.patches import compiled, token
from backends.serving.route_forecast import RouteServing, mirror_summary
from backends.serving.routing import (
    Backend,
    Copies,
    Rule,
    Table,
    Target,
    split_operations,
    split_summary,
    tables,
    variants_of,
)
from backends.serving.split import arrived, split_actions
from backends.serving.stable_label import StableLabelSystem


class GatewaySystem(StableLabelSystem):
    """``stable_key`` is the annotation or label that names the stable backend."""

    name = "gateway"
    kinds: ClassVar[tuple[Kind, ...]] = (HTTP_ROUTE, SERVICE, DEPLOYMENT)

    def explain(self, objects: Objects, backend: str) -> tuple[Endpoint, ...]:
        found: list[Endpoint] = []
        backings = Backings(objects)
        for _, route in sorted(objects.of(HTTP_ROUTE).items()):
            made = tables(rules_of(route))
            found += [self._endpoint(backings, backend, route, one, alone=len(made) == 1) for one in made]
        return tuple(found)

    def _endpoint(self, backings: Backings, backend: str, route: Object, made: Table, *, alone: bool) -> Endpoint:
        namespace, name = key_of(route)
        standing = standing_of(route)
        variants = variants_of(
            made,
            declared(route, self._stable_key),
            lambda one: backings.of_service(one.key[1], one.key[2]),
            in_effect=standing.taken,
        )
        phase, message = phase_of(standing, route)
        if unanswered := made.unanswered:
            phase, message = Phase.DEGRADED, "; ".join(part for part in (message, f"{unanswered} (500)") if part)
        return Endpoint(
            ref=EndpointRef(backend, namespace, name if alone else f"{name}.{made.suffix}"),
            variants=variants,
            phase=phase,
            message="; ".join(part for part in (message, *made.remarks) if part),
            revision=token(route),
            actions=split_actions(variants, _obstacle(route, made)),
            native={"object": route, "table": made, "standing": standing},
        )

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        made = cast("Table", endpoint.native["table"])
        return compiled(
            HTTP_ROUTE,
            "an HTTPRoute",
            endpoint,
            change,
            lambda weights: (split_operations(made, weights, ""), split_summary(made, weights)),
            lambda mirror: _mirror_operations(made, mirror),
            lambda mirror: mirror_summary(made, mirror),
        )

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        if (not_there := arrived(before, now, change)) is not None:
            return not_there
        standing = cast("Standing", now.native["standing"])
        if standing.taken:
            return Settled(f"{standing.message}; that requests follow it, only metrics show")
        if standing.untold:
            return Settled(f"the API server has taken it; {standing.message}", proven=False)
        return Pending(standing.message, stalled=standing.refused)

    def parts(self, ref: EndpointRef, objects: Objects) -> tuple[Part, ...]:
        return (Part(HTTP_ROUTE, ref.scope, object_name(ref, objects, HTTP_ROUTE)),)

    def target(self, endpoint: Endpoint) -> tuple[Kind, str, str]:
        return HTTP_ROUTE, endpoint.ref.scope, name_of(endpoint.native["object"])


def object_name(ref: EndpointRef, objects: Objects, kind: Kind) -> str:
    """The name of an endpoint's object: the endpoint's name, or the part before the dot if the object has several
    endpoints."""
    known = [name for namespace, name in objects.of(kind) if namespace == ref.scope]
    fitting = [name for name in known if ref.name == name or ref.name.startswith(f"{name}.")]
    return max(fitting, key=len, default=ref.name)


def rules_of(route: Object) -> tuple[Rule, ...]:
    """The rules of an HTTPRoute. A mirror of a single backend (a filter in a backendRef) copies only that backend's
    requests, and is ignored."""
    namespace, _ = key_of(route)
    found = []
    for number_, rule in enumerate(items(route, "spec", "rules")):
        place = pointer("spec", "rules", number_)
        targets = tuple(
            Target(
                _backend(ref, namespace),
                f"{place}/backendRefs/{at}",
                1 if (weight := whole(ref, "weight")) is None else weight,
                (("/name", text(ref, "name")),),
            )
            for at, ref in enumerate(items(rule, "backendRefs"))
        )
        copies = tuple(
            _copies(one, f"{place}/filters/{at}", namespace)
            for at, one in enumerate(items(rule, "filters"))
            if text(one, "type") == "RequestMirror" and table(one, "requestMirror", "backendRef")
        )
        label = text(rule, "name") or f"rule {number_ + 1}"
        narrow, filtered = _matched(rule), "filters" in rule
        found.append(
            Rule(label, place, f"{place}/backendRefs", targets, copies, narrow, filtered, selective=_selective(rule))
        )
    return tuple(found)


def _backend(ref: Object, namespace: str) -> Backend:
    kind = text(ref, "kind") or "Service"
    group, name = text(ref, "group"), text(ref, "name")
    there, port = text(ref, "namespace") or namespace, whole(ref, "port")
    key = (f"{kind}.{group}", there, name, str(port or ""))
    names = (name, f"{name}:{port}", f"{there}.{name}:{port}", f"{kind}.{there}.{name}:{port}")
    native = {field: ref[field] for field in ("group", "kind", "namespace", "name", "port") if field in ref}
    return Backend(key, names, "/".join(key), native)


def _copies(one: Object, place: str, namespace: str) -> Copies:
    mirror = table(one, "requestMirror")
    percent, form = number(mirror, "percent"), "percent"
    if percent is None:
        part = number(mirror, "fraction", "numerator")
        of = number(mirror, "fraction", "denominator") or 100.0
        form = "" if part is None else "fraction"
        percent = 100.0 if part is None else 100.0 * part / of
    backend = _backend(table(mirror, "backendRef"), namespace)
    checks = (("/requestMirror/backendRef/name", text(mirror, "backendRef", "name")),)
    return Copies(backend, place, percent, form, checks)


def _matched(rule: Object) -> bool:
    """Whether the rule matches only some requests. The default match is every path."""
    every: list[Mapping[str, Any]] = [{}, {"path": {"type": "PathPrefix", "value": "/"}}]
    matches = items(rule, "matches")
    return bool(matches) and not any(match in every for match in matches)


def _selective(rule: Object) -> bool:
    """Whether the rule picks requests by their headers or query parameters."""
    matches = items(rule, "matches")
    return bool(matches) and all(items(match, "headers") or items(match, "queryParams") for match in matches)


def _mirror_operations(made: Table, change: Mirror) -> list[dict[str, object]]:
    """Set the percentage in every rule that copies to the backend; if there is no such rule, in every rule of the
    split. A stopped mirror stays at 0 %, so that it is still shown and can be started again."""
    backend = made.called(change.variant)
    operations: list[dict[str, object]] = []
    written: tuple[str, object] = ("percent", round(change.percent))
    if abs(change.percent - round(change.percent)) > 1e-9:
        written = ("fraction", {"numerator": round(change.percent * 1_000), "denominator": 100_000})
    copying = [copies for rule in made.rules for copies in rule.copies if copies.backend == backend]
    for copies in copying:
        operations += [expect(copies.place + at, value) for at, value in copies.checks]
        if copies.form not in ("", written[0]):
            operations.append(remove(f"{copies.place}/requestMirror/{copies.form}"))
        operations.append(add(f"{copies.place}/requestMirror/{written[0]}", written[1]))
    if not copying:
        mirror = {"backendRef": dict(backend.native), written[0]: written[1]}
        new = {"type": "RequestMirror", "requestMirror": mirror}
        for rule in made.rules:
            # A rule without filters has no list to append to.
            operations.append(
                add(f"{rule.place}/filters/-", new) if rule.has_filters else add(f"{rule.place}/filters", [new])
            )
    return operations


def _obstacle(route: Object, made: Table) -> str | None:
    """Why this route cannot be changed, or ``None``."""
    for owner in owner_references(route):
        if owner.controller:
            return f"{owner.kind} {owner.name} writes this route: change it there"
    if made.twice:
        return made.twice
    return "there is one backend only" if len(made.names) < 2 else None


class GatewayServing(RouteServing):
    """HTTPRoutes of a cluster."""

    system = GatewaySystem()
