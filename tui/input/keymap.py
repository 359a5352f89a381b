"""Keys: Textual's bindings for the actions, and the text that is shown for a key."""

from __future__ import annotations

from collections.abc import Mapping

from textual.binding import Binding

from tui.input.actions import ACTIONS, ActionSpec


def bindings(screen: str, remapped: Mapping[str, str]) -> list[Binding]:
    """Textual's bindings for one kind of screen, with the remapped keys. All call ``action_act`` of the screen with the
    action's id."""
    return [
        Binding(
            remapped.get(one.id) or ",".join(one.keys),
            call_of(one),
            one.label,
            show=False,
            id=one.id,
            tooltip=one.help,
        )
        for one in ACTIONS
        if screen in one.screens
    ]


def call_of(one: ActionSpec) -> str:
    """The action in the form in which Textual's bindings name actions."""
    return f"act({one.id!r})"


def shown_key(one: ActionSpec, remapped: Mapping[str, str]) -> str:
    """The text that is shown for the key: "s", "/", "Enter"."""
    name = remapped.get(one.id, one.keys[0]).split(",")[0]
    names = {"slash": "/", "colon": ":", "question_mark": "?", "enter": "Enter", "escape": "Esc", "space": "Space"}
    if name.startswith("ctrl+"):
        return f"^{name.removeprefix('ctrl+').upper()}"
    return names.get(name, name)
