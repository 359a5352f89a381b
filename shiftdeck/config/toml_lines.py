"""The line of each key in a TOML text. ``tomllib`` does not give it, and error messages need it.

The text must be valid TOML (``tomllib`` has read it): the scanner reads statement by statement and validates nothing.
TOML 1.0: https://toml.io/en/v1.0.0
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping

KeyPath = tuple[str, ...]

_BASIC = r'"(?:\\.|[^"\\\n])*"'
_LITERAL = r"'[^'\n]*'"
_STRINGS = (
    r'"""(?:\\.|[^\\])*?""""?"?',  # may end in up to two quotes of its own
    r"'''.*?''''?'?",
    _BASIC,
    _LITERAL,
)
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(rf"(?:{_BASIC}|{_LITERAL}|[A-Za-z0-9_.\- \t])+")
_VALUE_TOKEN = re.compile("|".join((*_STRINGS, r"#[^\n]*", r"[\[{]", r"[\]}]", r"\n", r"[^\"'#\[\]{}\n]+")), re.DOTALL)


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line, from 1, on which each table and key is first named.

    Keys inside inline tables and arrays are left out: see ``line_of``. Elements of an array of tables share a path.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    line, counted = 1, 0
    for at, is_header, raw in _statements(text):
        line += text.count("\n", counted, at)
        counted = at
        path = parts_of(raw)
        if is_header:
            table = path
        base = () if is_header else table
        for depth in range(1, len(path) + 1):
            lines.setdefault((*base, *path[:depth]), line)
    return lines


def line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int | None:
    """The line of a key, or of the nearest key around it; ``None`` if not even the first part of the path is there."""
    for depth in range(len(path), 0, -1):
        if path[:depth] in lines:
            return lines[path[:depth]]
    return None


def dotted(path: KeyPath) -> str:
    """The path as TOML writes it, quoting the parts that need it: ``slo.endpoints."lab:prod/ranker"``."""
    return ".".join(quoted_key(part) for part in path)


def quoted_key(part: str) -> str:
    """One key: bare if TOML allows it, else quoted."""
    return part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else quoted(part)


def quoted(text: str) -> str:
    """``text`` as a TOML basic string."""
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r", "\b": "\\b", "\f": "\\f"}
    return '"' + "".join(escapes.get(char) or _escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if char < " " or char == "\x7f" else char


def _statements(text: str) -> Iterator[tuple[int, bool, str]]:
    """(offset, whether it is a table header, the key as written) of each statement."""
    at = _skip_blank(text, 0)
    while at < len(text):
        start = at
        is_header = text[at] == "["
        if is_header:
            at += 2 if text.startswith("[[", at) else 1
        key = _KEY.match(text, at)
        if key is None:
            return
        yield start, is_header, key[0]
        at = _skip_blank(text, _end_of_value(text, key.end()))


def _skip_blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _end_of_value(text: str, at: int) -> int:
    """The offset of the end of the statement: the first newline that is in no bracket, string or comment."""
    # The closing brackets of a header take the depth below 0, so the header's newline ends the statement too.
    depth = 0
    for token in _VALUE_TOKEN.finditer(text, at):
        first = token[0][0]
        if first in "[{":
            depth += 1
        elif first in "]}":
            depth -= 1
        elif first == "\n" and depth <= 0:
            return token.start()
    return len(text)


def parts_of(raw: str) -> KeyPath:
    """The parts of a dotted key, as ``dotted`` writes it, read by ``tomllib`` itself."""
    found: object = tomllib.loads(f"{raw} = 0")
    parts: list[str] = []
    while isinstance(found, dict):
        ((part, found),) = found.items()
        parts.append(part)
    return tuple(parts)
