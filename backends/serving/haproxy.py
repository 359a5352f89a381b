"""A HAProxy process without a control plane: its backends are endpoints, split by the weights of their servers, over
its runtime API (a Unix socket or a TCP port).

Weights that are set at run time are lost when HAProxy is reloaded or restarted: then the weights of its configuration
apply, unless it keeps a state file. HAProxy has no guard for writes, so the weights are read again just before a write.
https://docs.haproxy.org/2.6/management.html#9.3
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, cast

from backends.contracts import (
    Call,
    Change,
    Discovered,
    Diverged,
    Endpoint,
    EndpointRef,
    Forecast,
    Pending,
    Probe,
    ProbeKind,
    Progress,
    Promote,
    Receipt,
    Role,
    Rollback,
    Settled,
    Split,
    Variant,
    Wiring,
)
from backends.errors import BackendError, Conflict, Rejected, TimedOut, Unsupported, before_sending
from backends.options import Options, table
from backends.platforms.haproxy.answers import READ, SERVERS, Pool, Reading, Server, reading_of, refusal_in, weights_of
from backends.platforms.haproxy.naming import Naming, NamingOptions, looked_up, model_of
from backends.platforms.haproxy.runtime import LEVEL_HINT, runtime_at
from backends.serving.haproxy_state import (
    CONFIGURED,
    actions_of,
    backup_share,
    phase_of,
    releases_of,
    same,
    told,
    troubles,
)
from backends.serving.haproxy_weights import (
    CAUTIONS,
    Members,
    asked_shares,
    commands_for,
    configured_shares,
    effective_shares,
    in_split,
    shares_of,
    weights_for,
)
from backends.serving.split import percents, possible, roles, split_of

DEBIAN = Path("/run/haproxy/admin.sock")
UNCHECKED = "no health check: whether it is up is not known"


@dataclass(frozen=True, slots=True)
class Native:
    """The data from which a change is compiled."""

    pool: Pool
    members: Members
    process: str


class HaproxyOptions(NamingOptions):
    """The HAProxy process, the rules that name its variants, and the models of the variants."""

    stable = table("stable variant by backend; else that of the largest configured weight", default={})
    models = table(
        "MODEL/VERSION by BACKEND/VARIANT or pattern; MODEL alone if the variant has its version as its name",
        default={},
    )
    images = table("container image by BACKEND/VARIANT or pattern", default={})


class HaproxyServing:
    """Backends of one HAProxy process. The runtime API takes commands without a guard: a lost one has no fence."""

    OPTIONS: ClassVar[type[Options]] = HaproxyOptions

    def __init__(self, wiring: Wiring[HaproxyOptions]) -> None:
        options = wiring.options
        self._name = wiring.name
        self._runtime = runtime_at(options.socket, options.timeout_s)
        self._naming = Naming.of(options)
        self._stable, self._models, self._images = options.stable, options.models, options.images

    @classmethod
    def discover(cls, env: Mapping[str, str]) -> Discovered | None:
        """HAProxy at the socket of Debian's package."""
        try:
            there = DEBIAN.is_socket()
        except PermissionError:  # only HAProxy's group may look into the folder: there is one, but not for us
            there = False
        if not there:
            return None
        reading = reading_of(runtime_at(str(DEBIAN), 2.0).ask(*READ))
        words = f"HAProxy {reading.version}: {len(reading.pools)} backends"
        return Discovered(words, {"socket": str(DEBIAN)} if reading.pools else None)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The backends that the options select, in the configuration's order."""
        reading = self._read()
        return tuple(self.explain(pool, reading) for pool in reading.pools if self._naming.wants(pool.name))

    def read(self, ref: EndpointRef) -> Endpoint:
        found = next((one for one in self.endpoints() if one.ref == ref), None)
        if found is None:
            raise Rejected(f"HAProxy at {self._runtime.address} has no backend {ref.name!r} with servers")
        return found

    def explain(self, pool: Pool, reading: Reading) -> Endpoint:
        """One backend as an endpoint. Pure."""
        members = self._naming.members(pool)
        asked, observed = asked_shares(members), effective_shares(members)
        configured = configured_shares(members)
        declared = looked_up(self._stable, pool.name) or max(configured, key=lambda name: configured[name], default="")
        of_variant = roles(asked, declared)
        variants = [
            self._variant(pool.name, name, servers, of_variant[name], asked[name], observed[name])
            for name, servers in members.items()
        ]
        variants += [
            self._variant(pool.name, name, servers, Role.IDLE, 0.0, backup_share(pool, servers))
            for name, servers in self._naming.backups(pool).items()
            if name not in members
        ]
        releases = releases_of(members, of_variant)
        phase, message = phase_of(members, configured, asked)
        agents = [one.name for one in pool.servers if one.agent]
        return Endpoint(
            ref=EndpointRef(self._name, self._naming.scope, pool.name),
            variants=tuple(variants),
            phase=phase,
            message=message,
            releases=releases,
            revision=told(weights_in(pool)),
            owner=f"the agent check of {', '.join(agents)}" if agents else "",
            actions=actions_of(pool, members, releases, reading.level),
            native={"haproxy": Native(pool, members, reading.process)},
        )

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        """One line of ``set server`` commands."""
        possible(endpoint, change, "HAProxy")
        native = _native(endpoint)
        weights = planned(endpoint, change)
        servers = [one for members in native.members.values() for one in members]
        commands = commands_for(servers, weights)
        if not commands:
            raise Rejected(f"{endpoint.ref.name} has these weights already")
        moves = [f"{one.name} {one.asked} → {weights[one.name]}" for one in servers if one.asked != weights[one.name]]
        call = Call(
            method="SOCKET",
            path=self._runtime.address,
            body={
                "commands": commands,
                "backend": endpoint.ref.name,
                "expect": weights_in(native.pool),
            },
            guard=f"a second look just before ({endpoint.revision}); HAProxy itself has no guard",
            summary="weight " + ", ".join(moves),
            command=self._runtime.command(commands),
        )
        return (call,)

    def forecast(self, endpoint: Endpoint, change: Change) -> Forecast:
        """The shares that whole weights give, with cautions about HAProxy's algorithm and about a reload."""
        possible(endpoint, change, "HAProxy")
        native = _native(endpoint)
        weights = planned(endpoint, change)
        after, configured = shares_of(native.members, weights), configured_shares(native.members)
        cautions = []
        if isinstance(change, Split) and not same(after, change.weights):
            cautions.append(f"with whole weights up to 256 the split is {percents(after)}")
        if not same(after, configured):
            cautions.append(
                f"set at run time only: a reload or restart brings {percents(configured)} back, unless HAProxy keeps a "
                "state file; to keep it, write the weights into its configuration"
            )
        if (words := CAUTIONS.get(native.pool.algorithm)) is not None:
            cautions.append(words)
        if any(one.sticky for one in native.pool.servers):
            cautions.append("a cookie ties clients to their server: present clients stay there")
        cautions += _not_in_place(native.members, weights)
        before = asked_shares(native.members)
        undo: Change = Rollback(CONFIGURED) if same(before, configured) else Split(before)
        return Forecast(after, tuple(cautions), undo)

    def send(self, call: Call) -> Receipt:
        """Read the weights again, send the commands in one line, and read the new weights.

        Raises:
            Conflict: the weights are not the ones that the change was compiled from.
            Rejected: HAProxy refused all commands.
            TimedOut: HAProxy refused some of the commands.
        """
        body = cast("Mapping[str, object]", call.body)
        backend, commands = str(body["backend"]), cast("list[str]", body["commands"])
        expected = cast("Mapping[str, int]", body["expect"])
        look = f"{SERVERS} {backend}"
        with before_sending():
            now = _weights_of(backend, self._runtime.ask(look))
            if now != expected:
                raise Conflict(f"{backend} is at {told(now)} by now, and was {told(expected)}")
        answer = self._runtime.ask(*commands, look, write=True)
        after = _weights_of(backend, answer)
        if refused := refusal_in(answer):
            if after == now:
                raise Rejected(f"HAProxy refuses: {refused}")
            raise TimedOut(f"HAProxy took only some of it: {refused}", maybe_applied=True)
        return Receipt(told(after), f"taken: {told(after)}")

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        """Settled once HAProxy balances as was asked. Weights that are set prove nothing while other servers than at
        the plan are in the split, or some are down."""
        was, native = _native(before), _native(now)
        weights = planned(before, change)
        target, asked = shares_of(was.members, weights), asked_shares(native.members)
        if {one.name: one.asked for servers in native.members.values() for one in servers} != weights:
            reloaded = ": HAProxy was reloaded since" if was.process != native.process else ""
            again = ", as before" if same(asked, asked_shares(was.members)) else ""
            return Diverged(f"the weights make {percents(asked)}{again}{reloaded}")
        silent = [
            name for name, share in target.items() if share > 0 and not any(one.up for one in native.members[name])
        ]
        if silent:
            said = "; ".join(f"{name}: {troubles(native.members[name])}" for name in silent)
            return Pending(f"no server is up that could take it: {said}", stalled=True)
        slow = [one for servers in native.members.values() for one in servers if one.up and one.slow is not None]
        if slow:
            return Pending(", ".join(f"{one.name} starts slowly, at {one.slow} %" for one in slow))
        effective = effective_shares(native.members)
        if same(effective, target):
            return Settled(f"HAProxy balances {percents(effective)}")
        down = "; ".join(f"{name}: {said}" for name, servers in native.members.items() if (said := troubles(servers)))
        why = down or "other servers than at the plan have an address, or were taken out"
        return Pending(f"the weights are set, but it is {percents(effective)}: {why}", stalled=True)

    def probe(self) -> tuple[Probe, ...]:
        began = time.perf_counter()
        try:
            reading = self._read()
        except BackendError as error:
            return (Probe(ProbeKind.REACH, False, error.message, error.hint),)
        took = time.perf_counter() - began
        reach = Probe(ProbeKind.REACH, True, f"HAProxy {reading.version} at {self._runtime.address}", latency_s=took)
        shown = [pool for pool in reading.pools if self._naming.wants(pool.name)]
        made = "; ".join(f"{pool.name}: {_grouped(self._naming.members(pool))}" for pool in shown[:5])
        hint = "" if shown else "set `backends` to patterns that fit, or leave it out"
        more = f"; and {len(shown) - 5} more" if len(shown) > 5 else ""
        read = Probe(ProbeKind.READ, bool(shown), f"{len(shown)} of {len(reading.pools)} backends: {made}{more}", hint)
        if reading.level == "admin":
            return reach, read, Probe(ProbeKind.WRITE, True, "the socket has level admin")
        return reach, read, Probe(ProbeKind.WRITE, False, f"the socket has level {reading.level}", LEVEL_HINT)

    def close(self) -> None:
        """Nothing to do: no connection is kept open."""

    def _read(self) -> Reading:
        return reading_of(self._runtime.ask(*READ))

    def _variant(
        self, backend: str, name: str, servers: list[Server], role: Role, asked: float, observed: float | None
    ) -> Variant:
        place = f"{backend}/{name}"
        return Variant(
            name=name,
            role=role,
            model=model_of(looked_up(self._models, place), name),
            image=looked_up(self._images, place),
            ready=_ready(servers),
            wanted=max(1, sum(not one.empty for one in servers)),
            desired=asked,
            observed=observed,
            message=troubles(servers) or (UNCHECKED if any(one.unchecked for one in servers) else ""),
        )


def _ready(servers: Sequence[Server]) -> int | None:
    """How many servers are up; not known where HAProxy does not look whether they are."""
    if any(one.unchecked for one in servers):
        return None
    return sum(one.up for one in servers)


def _not_in_place(members: Members, weights: Mapping[str, int]) -> Iterator[str]:
    """What else decides the split than the weights: servers that are down, and servers that are not there yet."""
    down = [
        one.name
        for servers in members.values()
        for one in in_split(servers)
        if not one.up and (one.asked or weights[one.name])
    ]
    if down:
        yield f"{', '.join(down)} {'is' if len(down) == 1 else 'are'} down: the split is another one until they are up"
    for name, servers in members.items():
        later = [one for one in servers if not one.in_split]
        if any(weights[one.name] for one in later):
            yield f"{name} gets more once {len(later)} more of its servers come: each brings its weight along"
        elif len(later) == len(servers) and any(one.asked for one in later):
            told = ", ".join(f"{one.name} {one.asked}" for one in later)
            yield f"the way back does not restore the weights of {name}, which serves nothing now: {told}"


def planned(endpoint: Endpoint, change: Change) -> dict[str, int]:
    """The weight of each server after the change.

    Raises:
        Unsupported: HAProxy has no such change.
        Rejected: the change does not fit this backend.
    """
    native = _native(endpoint)
    if isinstance(change, Rollback):
        release = next((one for one in endpoint.releases if one.id == change.release), None)
        if release is None:
            known = ", ".join(one.id for one in endpoint.releases) or "none"
            raise Rejected(f"{endpoint.ref.name} has no release {change.release!r}: known are {known}")
        if release.current:
            raise Rejected(f"release {release.id} is the current one")
        if release.id == CONFIGURED:
            return {one.name: one.configured for servers in native.members.values() for one in servers}
        return weights_for(native.pool, native.members, release.weights)
    if not isinstance(change, Split | Promote):
        raise Unsupported("HAProxy knows weights only")
    wanted = change.weights if isinstance(change, Split) else {change.variant: 100.0}
    for name, weight in wanted.items():
        if weight > 0 and name not in native.members and endpoint.variant(name) is not None:
            raise Rejected(f"{name} is a backup: HAProxy sends it requests only when no other server is up")
    return weights_for(native.pool, native.members, split_of(endpoint, change))


def _grouped(members: Members) -> str:
    return ", ".join(
        name if [one.name for one in servers] == [name] else f"{name} ({', '.join(one.name for one in servers)})"
        for name, servers in members.items()
    )


def _native(endpoint: Endpoint) -> Native:
    return cast("Native", endpoint.native["haproxy"])


def weights_in(pool: Pool) -> dict[str, int]:
    """The set weight, by server."""
    return {one.name: one.asked for one in pool.servers}


def _weights_of(backend: str, answer: str) -> dict[str, int]:
    if "Can't find backend" in answer:
        raise Rejected(f"HAProxy has no backend {backend!r} any more")
    return {server: asked for (name, server), (asked, _) in weights_of(answer).items() if name == backend}
