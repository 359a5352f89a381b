"""Checks the table ``[keys]``: each action and each key in it is known, and no key has two actions. Imports no Textual:
it runs before the first frame."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator, Mapping

from shiftdeck.config.errors import ConfigError, ConfigErrors
from shiftdeck.config.loader import Config
from tui.input.actions import ACTIONS
from tui.input.renamed_keys import renamed

NAMED = (
    *("escape", "enter", "tab", "space", "backspace", "insert", "delete", "home", "end", "pageup", "pagedown"),
    *("up", "down", "left", "right"),
    *(f"f{number}" for number in range(1, 25)),
)
"""The names of keys that write no character, as Textual has them; and of the space."""

PUNCTUATION: Mapping[str, str] = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
"""Unicode's names of characters for which Textual has another one."""

FORMS = ("x", "X", "f5", "ctrl+x", "shift+up", "slash")
_MODIFIERS = frozenset({"ctrl", "shift", "alt"})


def check_keys(config: Config) -> None:
    """Raises:
    ConfigErrors: the table has errors; all of them at once.
    """
    if config.keys and (found := list(key_errors(config))):
        raise ConfigErrors(found)


def key_errors(config: Config) -> Iterator[ConfigError]:
    """The errors of the table. A key that is not known is not looked at further."""
    written = config.keys
    ids = [*(one.id for one in ACTIONS), *(old for one in ACTIONS for old in one.former_ids)]
    good = {}
    for action, keys in written.items():
        if action not in ids:
            close = difflib.get_close_matches(action, ids, n=1)
            hint = f", did you mean {close[0]!r}?" if close else ""
            yield _error(config, action, f"unknown action{hint}", tuple(dict.fromkeys(ids)))
        elif bad := [key for key in split(keys) if canonical(key) is None]:
            close = difflib.get_close_matches(bad[0].lower(), NAMED, n=1)
            hint = f", did you mean {close[0]!r}?" if close else ""
            yield _error(config, action, f"no key is called {bad[0]!r}{hint}", FORMS)
        else:
            good[action] = keys
    yield from _shared(config, good)


def _shared(config: Config, written: Mapping[str, str]) -> Iterator[ConfigError]:
    """An error for each written action whose key another action has on the same screen."""
    ours, _ = renamed(written)
    of_action = {one.id: split(ours[one.id]) if one.id in ours else one.keys for one in ACTIONS}
    as_written = {one.id: next((name for name in (one.id, *one.former_ids) if name in written), "") for one in ACTIONS}
    told: set[str] = set()
    for one in ACTIONS:
        for other in ACTIONS:
            if one is other or one.id not in ours or other.id in told or not one.screens & other.screens:
                continue
            both = {canonical(key) for key in of_action[one.id]} & {canonical(key) for key in of_action[other.id]}
            if both:
                told.add(one.id)
                words = f"{min(map(str, both))} is the key of {other.id} too: give one of them another key"
                yield _error(config, as_written[one.id], words)


def split(keys: str) -> tuple[str, ...]:
    """The keys of one action: they are written with commas between them."""
    return tuple(key.strip() for key in keys.split(","))


def canonical(key: str) -> str | None:
    """The name that Textual has for a key; ``None``: no key has that name."""
    *modifiers, name = key.split("+") if len(key) > 1 else [key]
    if not _MODIFIERS.issuperset(modifiers) or len(set(modifiers)) != len(modifiers):
        return None
    found = name if name in NAMED else _character(name)
    if found is None or (modifiers and found != found.lower()):
        return None
    return "+".join((*sorted(modifiers), found))


def _character(name: str) -> str | None:
    """The name of the key that writes one character: that of a letter or digit is the character itself."""
    if len(name) == 1:
        if not name.isprintable() or name.isspace():
            return None
        if name.isalnum():
            return name
        plain = re.sub(r"[-\s]", "_", unicodedata.name(name, "").lower())
        return PUNCTUATION.get(plain, plain) or None
    named = {new: old for old, new in PUNCTUATION.items()}.get(name, name)
    for spelled in (named.replace("_", " "), named.replace("_", "-")):
        try:
            char = unicodedata.lookup(spelled)
        except KeyError:
            continue
        return name if not char.isalnum() and char.isprintable() else None
    return None


def _error(config: Config, action: str, message: str, accepted: tuple[str, ...] = ()) -> ConfigError:
    return ConfigError(config.path, config.key_lines.get(action), f"keys.{action}", message, accepted)
