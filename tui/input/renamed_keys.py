"""Action ids of earlier releases in the table ``[keys]``. Imports no Textual: ``config check`` and ``doctor`` use
it."""

from __future__ import annotations

from collections.abc import Mapping

from tui.input.actions import ACTIONS, ActionSpec


def renamed(written: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The table ``[keys]`` with the ids of this release, and a notice for each id of an earlier release in it.

    An id that now belongs to another action keeps its old meaning in this release, unless the table also has the new id
    of the old action: then the table was written for this release.
    """
    names = {one.id for one in ACTIONS}
    former = {
        old: one
        for one in ACTIONS
        for old in one.former_ids
        if old in written and not (old in names and one.id in written)
    }
    found = {name: key for name, key in written.items() if name not in former}
    for old, one in former.items():
        found.setdefault(one.id, written[old])
    return found, [_notice(old, one, names) for old, one in former.items()]


def _notice(former: str, one: ActionSpec, names: set[str]) -> str:
    if former in names:
        return (
            f"[keys] {former}: in this release it still means {one.id} ({one.help.lower()}). Write {one.id}; "
            f"where both are written, {former} is the action of that name."
        )
    other = next((spec.id for spec in ACTIONS if one.id in spec.former_ids), "")
    until = f" In this release {one.id} alone still means {other}, so write both." if other else ""
    return f"[keys] {former}: the action is called {one.id} now ({one.help.lower()}).{until}"
