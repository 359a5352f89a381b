"""Converts percent to the weights of HAProxy's servers, and back. Pure.

A server's share is its weight divided by the sum of the weights of the servers in the split: those with an address that
nobody took out. Weights are whole numbers from 0 to 256, so not every share is possible. A variant may have several
servers; they divide its share as before. The others get the weight of their variant too, because they bring it along
when they come back.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from backends.contracts import WEIGHT_TOLERANCE
from backends.errors import Rejected
from backends.platforms.haproxy.answers import MAX_WEIGHT, Pool, Server
from backends.serving.weights import EXACT, apportion, shares

STATIC = frozenset({"static-rr"})
"""Algorithms with which a server's weight can only be 0 or the configured one, as HAProxy's manual says."""

WEIGHTLESS = frozenset({"first", "none"})
"""Algorithms that ignore weights."""

CAUTIONS: Mapping[str, str] = {
    "leastconn": "leastconn goes by open connections: a slower variant gets less than its weight",
    **dict.fromkeys(
        ("source", "uri", "url_param", "hdr", "rdp-cookie", "hash"),
        "this backend balances by a hash: weights move parts of it, and only with `hash-type consistent`",
    ),
}

TOTALS = 512
"""The largest sum of weights in the search for the closest shares."""

Members = Mapping[str, Sequence[Server]]
"""The servers of each variant, without backups, which have no part in the split."""


def asked_shares(members: Members) -> dict[str, float]:
    """Percent by variant of the set weights."""
    return shares({name: sum(one.asked for one in in_split(servers)) for name, servers in members.items()})


def configured_shares(members: Members) -> dict[str, float]:
    """Percent by variant of the weights in HAProxy's configuration."""
    return shares({name: sum(one.configured for one in in_split(servers)) for name, servers in members.items()})


def effective_shares(members: Members) -> dict[str, float]:
    """Percent by variant of the effective weights of the servers that are up; all 0 if no server is up."""
    return shares({name: sum(one.effective for one in servers if one.up) for name, servers in members.items()})


def shares_of(members: Members, weights: Mapping[str, int]) -> dict[str, float]:
    """Percent by variant, once the servers have these weights."""
    return shares({name: sum(weights[one.name] for one in in_split(servers)) for name, servers in members.items()})


def in_split(servers: Iterable[Server]) -> list[Server]:
    """The servers whose weights make the share of their variant."""
    return [one for one in servers if one.in_split]


def weights_for(pool: Pool, members: Members, percents: Mapping[str, float]) -> dict[str, int]:
    """The weight of each server, so that the variants' shares are as close to ``percents`` as whole weights allow.

    Raises:
        Rejected: a share is too small, the algorithm does not allow it, or no server of a variant could take it.
    """
    wanted = {name: percents.get(name, 0.0) for name in members}
    for name, percent in wanted.items():
        if percent > 0 and not in_split(members[name]):
            raise Rejected(f"{name} can take no traffic: {absent(members[name])}")
    if pool.algorithm in STATIC:
        return _switched(pool, members, wanted)
    live = [name for name, percent in wanted.items() if percent > 0]
    if len(live) == 1:
        # A single variant gets everything at any weight: keeping its weights saves commands and rounding.
        left = members[live[0]]
        serving = in_split(left)
        kept = {one: one.asked for one in serving} if any(one.asked for one in serving) else _ratio(serving)
        return _off(members) | _with_absent(left, {one.name: weight for one, weight in kept.items()})
    now = sum(one.asked for servers in members.values() for one in in_split(servers))
    totals = dict.fromkeys([*([now] if now else []), 100, *range(2, TOTALS + 1)])
    tried = (_written(members, wanted, total) for total in totals)
    possible = [weights for weights in tried if weights is not None]
    if not possible:
        least = 100.0 / (MAX_WEIGHT + 1)
        raise Rejected(f"a share is too small for weights up to {MAX_WEIGHT}: the least is about {least:.1f} %")
    return min(possible, key=lambda weights: round(_error(shares_of(members, weights), wanted) / EXACT))


def _written(members: Members, wanted: Mapping[str, float], total: int) -> dict[str, int] | None:
    """The servers' weights with that sum, or ``None`` if one is over 256 or a variant with a share would get 0."""
    found = _off(members)
    for name, weight in apportion(wanted, total).items():
        if wanted[name] <= 0:
            continue
        parts = {one.name: float(kept) for one, kept in _ratio(in_split(members[name])).items()}
        divided = apportion(parts, weight)
        if weight == 0 or max(divided.values()) > MAX_WEIGHT:
            return None
        found |= _with_absent(members[name], divided)
    return found


def _with_absent(servers: Sequence[Server], weights: Mapping[str, int]) -> dict[str, int]:
    """The weights with those of the variant's other servers: as much as the largest, for which they stand in."""
    return {one.name: weights.get(one.name, max(weights.values())) for one in servers}


def absent(servers: Sequence[Server]) -> str:
    """Why no server of a variant is in the split, in words."""
    if all(one.empty for one in servers):
        return "its name does not resolve, so none of its servers has an address"
    return "its servers are taken out: " + ", ".join(f"{one.name} {one.status}" for one in servers)


def _ratio(servers: Sequence[Server]) -> dict[Server, int]:
    """How the servers of one variant divide its share: by their configured weights, so that rounding errors do not add
    up over several changes. A server that was set to 0 while others were not is out of service, and stays at 0."""
    working = [one for one in servers if one.asked] or servers
    weights = {one: (one.configured or one.asked) if one in working else 0 for one in servers}
    return weights if any(weights.values()) else dict.fromkeys(servers, 100)


def _switched(pool: Pool, members: Members, wanted: Mapping[str, float]) -> dict[str, int]:
    """Each variant on, with its configured weights, or off: a static algorithm accepts only these weights."""
    on = [name for name, percent in wanted.items() if percent > 0]
    weights = _off(members) | {one.name: one.configured for name in on for one in members[name]}
    had = shares_of(members, weights)
    if _error(had, wanted) > WEIGHT_TOLERANCE:
        told = ", ".join(f"{name} {percent:.3g} %" for name, percent in had.items() if percent > 0) or "nothing at all"
        raise Rejected(
            f"balance {pool.algorithm} takes the weight 0 and the configured one only, which makes {told}",
            hint="balance roundrobin takes any weight",
        )
    return weights


def _off(members: Members) -> dict[str, int]:
    return {one.name: 0 for servers in members.values() for one in servers}


def _error(had: Mapping[str, float], wanted: Mapping[str, float]) -> float:
    return max((abs(had[name] - wanted[name]) for name in wanted), default=math.inf)


def commands_for(servers: Iterable[Server], weights: Mapping[str, int]) -> list[str]:
    """The commands that set these weights. Commands that HAProxy may refuse come first, so that it refuses all or none.
    Commands that set a weight to 0 come last, so that at every moment some server can take the traffic."""
    moves = [one for one in servers if weights[one.name] != one.asked]
    moves.sort(key=lambda one: (weights[one.name] == 0, weights[one.name] == one.configured))
    return [f"set server {one.backend}/{one.name} weight {weights[one.name]}" for one in moves]
