"""The releases, actions and phase of a backend, from the state of its servers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from backends.contracts import Action, Phase, Release, Role, same_weight
from backends.platforms.haproxy.answers import Pool, Server
from backends.serving.haproxy_weights import WEIGHTLESS, Members, absent, asked_shares, configured_shares
from backends.serving.split import can, percents

NOW, STABLE, CONFIGURED = "runtime", "stable", "configured"
"""The ids of a backend's releases: the weights set at run time, all traffic to the stable variant, the
configuration."""


def releases_of(members: Members, of_variant: Mapping[str, Role]) -> tuple[Release, ...]:
    """The current release and the ones to go back to. HAProxy keeps no history, but two states are always possible: all
    traffic to the stable variant, and the weights of the configuration. The configuration is not called good if it
    would give traffic to a variant that was set to 0 at run time."""
    asked, configured = asked_shares(members), configured_shares(members)
    stable = next((name for name, role in of_variant.items() if role is Role.STABLE), "")
    alone = {name: 100.0 if name == stable else 0.0 for name in members}
    as_configured = same(asked, configured)
    note = "as HAProxy's configuration says" if as_configured else "set at run time"
    found = [Release(CONFIGURED if as_configured else NOW, asked, note=note, current=True)]
    if any(asked.values()) and not same(asked, alone) and len(members) > 1:
        found.append(Release(STABLE, alone, note=f"everything to {stable}"))
    if not as_configured:
        heaviest = max(configured, key=lambda name: configured[name])
        taken_off = same(asked, alone) and heaviest == stable
        note = "as HAProxy's configuration says, and as a reload makes it"
        why = "gives traffic to what was set to 0 at run time" if taken_off else ""
        found.append(Release(CONFIGURED, configured, note=note, good=False if taken_off else None, why=why))
    return tuple(found)


def actions_of(pool: Pool, members: Members, releases: tuple[Release, ...], level: str) -> dict[Action, str | None]:
    """As ``Endpoint.actions``: why each action is not possible now, or ``None``."""
    reason: str | None = None
    if level != "admin":
        reason = f"the socket has level {level}, and weights take level admin"
    elif pool.algorithm in WEIGHTLESS:
        reason = f"balance {pool.algorithm} does not go by weight"
    elif len(members) < 2:
        names = ", ".join(one.name for servers in members.values() for one in servers)
        reason = f"there is one variant only ({names}); `group` and `variants` tell servers apart"
    back = reason or (None if len(releases) > 1 else "it is as configured, and the stable variant gets everything")
    return can(reason, Action.SHIFT, Action.PROMOTE) | can(back, Action.ROLLBACK)


def phase_of(members: Members, configured: Mapping[str, float], asked: Mapping[str, float]) -> tuple[Phase, str]:
    servers = [one for found in members.values() for one in found]
    words = [] if same(asked, configured) else [f"set at run time; the configuration says {percents(configured)}"]
    words += [f"{name}: {said}" for name, found in members.items() if (said := troubles(found))]
    if not any(one.up and one.asked for one in servers):
        return Phase.FAILED, "; ".join(["no server is up that gets anything", *words])
    nowhere = any(all(one.empty for one in found) and any(one.asked for one in found) for found in members.values())
    if nowhere or any(not one.up and not one.empty and one.asked for one in servers):
        return Phase.DEGRADED, "; ".join(words)
    slow = any(one.slow is not None for one in servers)
    return Phase.PROGRESSING if slow else Phase.STEADY, "; ".join(words)


def backup_share(pool: Pool, servers: Sequence[Server]) -> float | None:
    """The percentage of the backups: 0 while another server is up or none of them is up, 100 if the only backup that is
    up is one of them, else not known."""
    if any(one.up and one.effective for one in pool.servers if not one.backup):
        return 0.0
    ready = [one for one in pool.servers if one.backup and one.up]
    if not any(one in servers for one in ready):
        return 0.0
    return 100.0 if len(ready) == 1 else None  # `option allbackups` decides whether the first or all get traffic


def troubles(servers: Sequence[Server]) -> str:
    """The servers that are down, going down or starting slowly, in words. Empty slots are none of them, unless no
    server has an address."""
    if servers and all(one.empty for one in servers):
        return absent(servers)
    found = []
    for one in servers:
        if one.empty:
            continue
        if not one.up:
            found.append(
                f"{one.name} {one.status}" + (f" ({one.check})" if one.check and "OK" not in one.check else "")
            )
        elif one.status.startswith("UP "):
            found.append(f"{one.name} {one.status}, going down")
        elif one.slow is not None:
            found.append(f"{one.name} starts slowly, at {one.slow} %")
    return ", ".join(found)


def same(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether two splits are equal; a variant that is not named counts as 0."""
    return all(same_weight(one.get(name, 0.0), other.get(name, 0.0)) for name in {*one, *other})


def told(weights: Mapping[str, int]) -> str:
    """Weights in words; this text is also the endpoint's revision."""
    return ", ".join(f"{name} {'gone' if weight < 0 else weight}" for name, weight in weights.items())
