"""Escape sequences that a slow link tears apart: the rest of one is no key that somebody pressed.

An arrow key is ``ESC [ A``. If its pieces come further apart than Textual's parser waits, it passes them as keys: Esc,
"[" and "A", or "[" and "A", and here "A" and Esc are commands. The parser passes ``ESC O`` as Alt+Shift+O.
"""

from __future__ import annotations

WITHIN_S = 1.0
"""The rest of a sequence comes within this time after its beginning."""

NEVER = float("-inf")
PARAMETERS = frozenset("0123456789;:?<")
BEGINNINGS = frozenset({"alt+shift+o", "alt+left_square_bracket"})


class TornEscape:
    """Tells which keys are pieces of a torn sequence. Times are in seconds, of any clock that only advances."""

    def __init__(self) -> None:
        self._escaped_at = NEVER
        self._inside_since: float | None = None

    def swallows(self, key: str, character: str | None, at: float, *, typing: bool = False) -> bool:
        """Whether this key is a piece of a sequence: an introducer after Esc, and all up to the letter that ends it.
        ``typing``: keys go into a text field, where a "[" alone begins nothing."""
        inside = self._inside_since is not None and at - self._inside_since <= WITHIN_S
        if not (inside and character in PARAMETERS):
            self._inside_since = None
        if inside:
            return True
        escaped = at - self._escaped_at <= WITHIN_S
        self._escaped_at = at if key == "escape" else NEVER
        introduced = (character == "[" and (escaped or not typing)) or (character == "O" and escaped)
        if introduced or key in BEGINNINGS:
            self._inside_since = at
        return introduced or key in BEGINNINGS
