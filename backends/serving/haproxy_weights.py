"""From percent to the weights of HAProxy's servers, and back. Pure.

A server's share is its weight by the sum of all in its backend, and weights are whole numbers from 0 to 256: not every
share can be had. A variant may be several servers, which share its part as they did before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from backends.contracts import WEIGHT_TOLERANCE
from backends.errors import Rejected
from backends.platforms.haproxy.answers import MAX_WEIGHT, Pool, Server
from backends.serving.weights import EXACT, apportion, shares

STATIC = frozenset({"static-rr"})
"""Algorithms that let a server's weight be changed to 0 and back to the configured one only, as HAProxy says."""

WEIGHTLESS = frozenset({"first", "none"})
"""Algorithms that do not go by weight."""

CAUTIONS: Mapping[str, str] = {
    "leastconn": "leastconn goes by open connections: a slower variant gets less than its weight",
    **dict.fromkeys(
        ("source", "uri", "url_param", "hdr", "rdp-cookie", "hash"),
        "this backend balances by a hash: weights move parts of it, and only with `hash-type consistent`",
    ),
}

TOTALS = 512
"""The largest sum of weights that is searched for a closer share."""

Members = Mapping[str, Sequence[Server]]
"""The servers of each variant; backups are none of them, as they have no part in the split."""


def asked_shares(members: Members) -> dict[str, float]:
    """Percent by variant of the weights that are asked for."""
    return shares({name: sum(one.asked for one in servers) for name, servers in members.items()})


def configured_shares(members: Members) -> dict[str, float]:
    """Percent by variant of the weights in HAProxy's configuration."""
    return shares({name: sum(one.configured for one in servers) for name, servers in members.items()})


def effective_shares(members: Members) -> dict[str, float]:
    """Percent by variant of the effective weights of those servers that are up; all 0 where none is."""
    return shares({name: sum(one.effective for one in servers if one.up) for name, servers in members.items()})


def shares_of(members: Members, weights: Mapping[str, int]) -> dict[str, float]:
    """Percent by variant, once the servers have these weights."""
    return shares({name: sum(weights[one.name] for one in servers) for name, servers in members.items()})


def weights_for(pool: Pool, members: Members, percents: Mapping[str, float]) -> dict[str, int]:
    """The weight of each server, so that the variants' shares come as near to ``percents`` as whole weights can.

    Raises:
        Rejected: a share is too small, or the algorithm does not take it.
    """
    wanted = {name: percents.get(name, 0.0) for name in members}
    if pool.algorithm in STATIC:
        return _switched(pool, members, wanted)
    live = [name for name, percent in wanted.items() if percent > 0]
    if len(live) == 1:
        # The only one that is left gets everything at whatever weight: one command less, and nothing to round.
        left = members[live[0]]
        kept = {one: one.asked for one in left} if any(one.asked for one in left) else _ratio(left)
        return _off(members) | {one.name: weight for one, weight in kept.items()}
    now = sum(one.asked for servers in members.values() for one in servers)
    totals = dict.fromkeys([*([now] if now else []), 100, *range(2, TOTALS + 1)])
    tried = (_written(members, wanted, total) for total in totals)
    possible = [weights for weights in tried if weights is not None]
    if not possible:
        least = 100.0 / (MAX_WEIGHT + 1)
        raise Rejected(f"a share is too small for weights up to {MAX_WEIGHT}: the least is about {least:.1f} %")
    return min(possible, key=lambda weights: round(_error(shares_of(members, weights), wanted) / EXACT))


def _written(members: Members, wanted: Mapping[str, float], total: int) -> dict[str, int] | None:
    """The servers' weights in that sum, or ``None`` where they do not fit into 0–256 or leave somebody out."""
    found = _off(members)
    for name, weight in apportion(wanted, total).items():
        if wanted[name] <= 0:
            continue
        parts = {one.name: float(kept) for one, kept in _ratio(members[name]).items()}
        found |= apportion(parts, weight)
        if weight == 0 or max(found[one] for one in parts) > MAX_WEIGHT:
            return None
    return found


def _ratio(servers: Sequence[Server]) -> dict[Server, int]:
    """How the servers of one variant share: by their configured weights, so that rounding does not add up from change
    to change. Who was set to 0 beside others that were not is out of service, and stays so."""
    working = [one for one in servers if one.asked] or servers
    weights = {one: (one.configured or one.asked) if one in working else 0 for one in servers}
    return weights if any(weights.values()) else dict.fromkeys(servers, 100)


def _switched(pool: Pool, members: Members, wanted: Mapping[str, float]) -> dict[str, int]:
    """On or off, with the configured weights: what a static algorithm takes."""
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
    """The commands that give the servers these weights. Those that a balancer may refuse come first, so that it refuses
    all or none; those that take traffic away come last, so that there is somebody to take it at every moment."""
    moves = [one for one in servers if weights[one.name] != one.asked]
    moves.sort(key=lambda one: (weights[one.name] == 0, weights[one.name] == one.configured))
    return [f"set server {one.backend}/{one.name} weight {weights[one.name]}" for one in moves]
