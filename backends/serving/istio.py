"""Istio: VirtualService and DestinationRule (``networking.istio.io/v1``, Istio 1.22 and newer).

Weights are proportional. A single destination receives all requests, even at weight 0; in a list, a missing weight
counts as 0. A rule has one ``mirror`` with ``mirrorPercentage`` (absent: all requests) or a list of ``mirrors``.
Subsets that no rule names yet are variants too: they can be given traffic.
https://istio.io/latest/docs/reference/config/networking/virtual-service/

No status says what the proxies do (xDS takes seconds). So the observed weights are not known here, and only metrics
confirm a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

from backends.contracts import (
    Call,
    Change,
    Endpoint,
    EndpointRef,
    Mirror,
    Phase,
    Progress,
    Promote,
    Settled,
    Split,
)
from backends.errors import Rejected
from backends.platforms.kubernetes.calls import add, expect, pointer, remove
from backends.platforms.kubernetes.kinds import DEPLOYMENT, SERVICE
from backends.platforms.kubernetes.objects import (
    Object,
    dig,
    items,
    key_of,
    name_of,
    number,
    owner_references,
    table,
    text,
    texts,
    whole,
)
from backends.serving.backing import Backing, Backings, declared
from backends.serving.gateway import object_name
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

VIRTUAL_SERVICE = Kind("networking.istio.io", "v1", "virtualservices", "VirtualService")
DESTINATION_RULE = Kind("networking.istio.io", "v1", "destinationrules", "DestinationRule")
ROLLOUT = Kind("argoproj.io", "v1alpha1", "rollouts", "Rollout")

ALL = 100
"""The weight of a single destination: it gets all requests, whatever its own weight is."""


class IstioSystem(StableLabelSystem):
    """``stable_key`` is the annotation or label of the VirtualService that names the stable variant."""

    name = "istio"
    kinds: ClassVar[tuple[Kind, ...]] = (VIRTUAL_SERVICE, DESTINATION_RULE, SERVICE, DEPLOYMENT, ROLLOUT)

    def explain(self, objects: Objects, backend: str) -> tuple[Endpoint, ...]:
        found: list[Endpoint] = []
        subsets, backings = _subsets(objects), Backings(objects)
        rollouts = _rollouts(objects)
        for key, service in sorted(objects.of(VIRTUAL_SERVICE).items()):
            made = tables(rules_of(service) or streams_of(service), _extras(service, subsets))
            for one in made:
                name = key[1] if len(made) == 1 else f"{key[1]}.{one.suffix}"
                ref = EndpointRef(backend, key[0], name)
                found.append(self._endpoint(backings, ref, service, one, subsets, rollouts.get(key, "")))
        return tuple(found)

    def _endpoint(
        self,
        backings: Backings,
        ref: EndpointRef,
        service: Object,
        made: Table,
        subsets: Mapping[tuple[str, str], Mapping[str, object]],
        rollout: str,
    ) -> Endpoint:
        variants = variants_of(
            made, declared(service, self._stable_key), lambda one: _backing_of(backings, ref.scope, one, subsets)
        )
        errors = [
            text(one, "type", "name") or text(one, "type", "code")
            for one in items(service, "status", "validationMessages")
            if text(one, "level") == "ERROR"
        ]
        unanswered, faults = made.unanswered, _faults(service, made)
        missing = _missing(made, subsets)
        lost = [
            f"subset {name} is in no DestinationRule: its requests are answered with 503"
            for name in sorted(missing)
            if made.weights[name] or name in made.picked
        ]
        found_wrong = f"Istio's analysis: {', '.join(errors)}" if errors else ""
        return Endpoint(
            ref=ref,
            variants=variants,
            phase=Phase.DEGRADED if errors or unanswered or faults or lost else Phase.STEADY,
            message="; ".join(part for part in (found_wrong, unanswered, *lost, *faults, *made.remarks) if part),
            revision=token(service),
            owner=f"Argo Rollouts ({rollout})" if rollout else "",
            actions=split_actions(variants, _obstacle(service, made)),
            native={"object": service, "table": made, "missing": missing},
        )

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        made = cast("Table", endpoint.native["table"])
        if isinstance(change, Split | Promote):
            given = change.weights if isinstance(change, Split) else {change.variant: 100.0}
            for name in cast("frozenset[str]", endpoint.native["missing"]):
                if given.get(name, 0.0) > made.weights[name]:
                    raise Rejected(f"subset {name} is in no DestinationRule: its requests would be answered with 503")
        return compiled(
            VIRTUAL_SERVICE,
            "a VirtualService",
            endpoint,
            change,
            lambda weights: (split_operations(made, weights, "destination"), split_summary(made, weights)),
            lambda mirror: _mirror_operations(made, mirror),
            lambda mirror: mirror_summary(made, mirror),
        )

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        if (not_there := arrived(before, now, change)) is not None:
            return not_there
        return Settled("the VirtualService says so; Istio does not tell when its proxies do, only metrics confirm")

    def parts(self, ref: EndpointRef, objects: Objects) -> tuple[Part, ...]:
        name = object_name(ref, objects, VIRTUAL_SERVICE)
        return Part(VIRTUAL_SERVICE, ref.scope, name), Part(DESTINATION_RULE, ref.scope)

    def target(self, endpoint: Endpoint) -> tuple[Kind, str, str]:
        return VIRTUAL_SERVICE, endpoint.ref.scope, name_of(endpoint.native["object"])


def rules_of(service: Object) -> tuple[Rule, ...]:
    """The HTTP rules of a VirtualService. Redirects, direct responses and delegates send nothing to a backend."""
    namespace, _ = key_of(service)
    found = []
    for at, rule in enumerate(items(service, "spec", "http")):
        place = pointer("spec", "http", at)
        targets = _targets(rule, place, namespace)
        label = text(rule, "name") or f"rule {at + 1}"
        copies = tuple(_copies(rule, place, namespace))
        matches = items(rule, "match")
        found.append(
            Rule(label, place, f"{place}/route", targets, copies, bool(matches), selective=_selective(matches))
        )
    return tuple(found)


def _targets(rule: Object, place: str, namespace: str) -> tuple[Target, ...]:
    entries = items(rule, "route")
    return tuple(
        Target(
            _backend(table(entry, "destination"), namespace),
            f"{place}/route/{at}",
            ALL if len(entries) == 1 else whole(entry, "weight") or 0,
            _checks("/destination", table(entry, "destination")),
        )
        for at, entry in enumerate(entries)
    )


def streams_of(service: Object) -> tuple[Rule, ...]:
    """The rules for TCP and TLS of a VirtualService, whose weights split connections. They are shown, and not changed:
    what is measured of requests cannot tell whether a share of connections is in effect."""
    namespace, _ = key_of(service)
    return tuple(
        Rule(
            f"{kind} rule {at + 1}",
            place,
            f"{place}/route",
            _targets(rule, place, namespace),
            (),
            bool(rule.get("match")),
        )
        for kind in ("tcp", "tls")
        for at, rule in enumerate(items(service, "spec", kind))
        for place in (pointer("spec", kind, at),)
    )


def _selective(matches: tuple[Object, ...]) -> bool:
    """Whether these matches pick requests by who sends them: headers, query parameters, or labels of the caller."""
    by = ("headers", "withoutHeaders", "queryParams", "sourceLabels", "sourceNamespace")
    return bool(matches) and all(any(match.get(name) for name in by) for match in matches)


def _faults(service: Object, made: Table) -> tuple[str, ...]:
    """The faults that the rules of this endpoint inject, in words."""
    found, own = [], {rule.place for rule in (*made.rules, *made.pinned)}
    for at, rule in enumerate(items(service, "spec", "http")):
        label = text(rule, "name") or f"rule {at + 1}"
        for kind, does in (("abort", "fails"), ("delay", "delays")):
            fault = table(rule, "fault", kind)
            if fault and pointer("spec", "http", at) in own:
                percent = number(fault, "percentage", "value")
                share = "some" if percent is None else f"{percent:g} %"
                code = whole(fault, "httpStatus") if kind == "abort" else None
                answer = f" with {code}" if code else ""
                found.append(f"{label} {does} {share} of its requests{answer} (fault injection)")
    return tuple(found)


def _backend(destination: Object, namespace: str) -> Backend:
    host, subset = _full_host(text(destination, "host"), namespace), text(destination, "subset")
    port = whole(destination, "port", "number")
    short = host.partition(".")[0]
    names = (subset or short, f"{short}.{subset}" if subset else short, f"{host}/{subset}", f"{host}/{subset}:{port}")
    native = {name: destination[name] for name in ("host", "subset", "port") if name in destination}
    return Backend((host, subset, str(port or "")), names, host, native)


def _full_host(host: str, namespace: str) -> str:
    """The full name of a host; a short name belongs to the VirtualService's own namespace."""
    return host if "." in host else f"{host}.{namespace}.svc.cluster.local"


def _checks(at: str, destination: Object) -> tuple[tuple[str, object], ...]:
    return tuple((f"{at}/{name}", destination[name]) for name in ("host", "subset") if name in destination)


def _copies(rule: Object, place: str, namespace: str) -> list[Copies]:
    found = []
    if mirror := table(rule, "mirror"):
        percent, form = number(rule, "mirrorPercentage", "value"), "mirrorPercentage"
        for old in ("mirrorPercent", "mirror_percent"):  # deprecated, but Istio still reads them
            if percent is None and (percent := number(rule, old)) is not None:
                form = old
        if percent is None:
            percent, form = 100.0, ""
        found.append(Copies(_backend(mirror, namespace), place, percent, form, _checks("/mirror", mirror)))
    for at, one in enumerate(items(rule, "mirrors")):
        percent = number(one, "percentage", "value")
        destination = table(one, "destination")
        found.append(
            Copies(
                _backend(destination, namespace),
                f"{place}/mirrors/{at}",
                100.0 if percent is None else percent,
                "mirrors",
                _checks("/destination", destination),
            )
        )
    return found


def _mirror_operations(made: Table, change: Mirror) -> list[dict[str, object]]:
    """Set the percentage in every rule that copies to the backend; if there is no such rule, in every rule of the
    split. A stopped mirror stays at 0 %, so that it is still shown and can be started again."""
    backend = made.called(change.variant)
    percentage = {"value": change.percent}
    operations: list[dict[str, object]] = []
    copying = [copies for rule in made.rules for copies in rule.copies if copies.backend == backend]
    for copies in copying:
        operations += [expect(copies.place + at, value) for at, value in copies.checks]
        if copies.form in ("mirrorPercent", "mirror_percent"):
            operations.append(remove(f"{copies.place}/{copies.form}"))
        field = "percentage" if copies.form == "mirrors" else "mirrorPercentage"
        operations.append(add(f"{copies.place}/{field}", percentage))
    for rule in () if copying else made.rules:
        if any(one.form == "mirrors" for one in rule.copies):
            new = {"destination": dict(backend.native), "percentage": percentage}
            operations.append(add(f"{rule.place}/mirrors/-", new))
        elif any(one.percent for one in rule.copies):
            other = ", ".join(made.names[one.backend] for one in rule.copies)
            raise Rejected(f"{rule.label} mirrors to {other} already: stop that first")
        else:
            operations.append(add(f"{rule.place}/mirror", dict(backend.native)))
            operations.append(add(f"{rule.place}/mirrorPercentage", percentage))
    return operations


def _subsets(objects: Objects) -> dict[tuple[str, str], Mapping[str, object]]:
    """The labels of each subset, by full host and subset."""
    return {
        (_full_host(text(rule, "spec", "host"), namespace), text(subset, "name")): texts(subset, "labels")
        for (namespace, _), rule in sorted(objects.of(DESTINATION_RULE).items())
        for subset in items(rule, "spec", "subsets")
    }


def _missing(made: Table, subsets: Mapping[tuple[str, str], object]) -> frozenset[str]:
    """The names of subsets that no DestinationRule defines. Where none at all is known, they may just not be
    readable."""
    subset_of = {name: backend.key[:2] for backend, name in made.names.items() if backend.key[1]}
    return frozenset(name for name, key in subset_of.items() if subsets and key not in subsets)


def _extras(service: Object, subsets: Mapping[tuple[str, str], Mapping[str, object]]) -> list[Backend]:
    """The subsets of the hosts that the rules name, each written like an existing destination of that host, with its
    port if any."""
    namespace, _ = key_of(service)
    written = [table(entry, "destination") for rule in items(service, "spec", "http") for entry in items(rule, "route")]
    found = []
    for host, subset in subsets:
        like = next((one for one in written if _full_host(text(one, "host"), namespace) == host), None)
        if like is not None and text(like, "subset"):
            found.append(_backend({**like, "subset": subset}, namespace))
    return found


def _backing_of(
    backings: Backings, namespace: str, backend: Backend, subsets: Mapping[tuple[str, str], Mapping[str, object]]
) -> Backing:
    """The backing of a destination. The pods of a subset are the pods of its host's Service that also have the subset's
    labels."""
    host, subset, _ = backend.key
    name, _, rest = host.partition(".")
    there = rest.partition(".")[0] or namespace
    if not subset:
        return backings.of_service(there, name)
    labels = subsets.get((host, subset))
    return backings.of_subset(there, name, labels) if labels else Backing()


def _rollouts(objects: Objects) -> dict[tuple[str, str], str]:
    """The Rollout that writes each VirtualService, by (namespace, name). It overwrites the changes of all others."""
    found = {}
    for (namespace, name), rollout in objects.of(ROLLOUT).items():
        istio = table(rollout, "spec", "strategy", "canary", "trafficRouting", "istio")
        for one in (table(istio, "virtualService"), *items(istio, "virtualServices")):
            if written := text(one, "name"):
                found[namespace, written] = name
    return found


def _obstacle(service: Object, made: Table) -> str | None:
    """Why this VirtualService cannot be changed, or ``None``."""
    for owner in owner_references(service):
        if owner.controller:
            return f"{owner.kind} {owner.name} writes this VirtualService: change it there"
    if dig(service, "spec", "http") is None:
        return "it has rules for TCP or TLS only: shiftdeck changes HTTP rules"
    if made.twice:
        return made.twice
    return "there is one destination only" if len(made.names) < 2 else None


class IstioServing(RouteServing):
    """VirtualServices of a cluster."""

    system = IstioSystem()
