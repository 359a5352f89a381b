"""Foreign text: what a server, a cluster, a file or another program says, made fit to be shown.

A terminal obeys what it is sent, so nothing foreign reaches it as it came: a character that controls a terminal, breaks
a line, turns the direction of writing or has no width is replaced by one that shows it. Credentials that this process
has read are masked by their value.
"""

from __future__ import annotations

import threading

TEXT_LIMIT = 500
"""The characters of a name, a label or a remark that are kept. Kubernetes and the registries allow at most 256 in a
name."""

MESSAGE_LIMIT = 1000
"""The characters of an error's message that are kept."""

MASK = "•••"

SHORTEST = 6
"""A credential has at least so many characters: a shorter one would be masked in words that have nothing to do with
it."""

_KEPT = 1000
_lock = threading.Lock()
_known: dict[str, None] = {}


def one_line(text: str, limit: int = TEXT_LIMIT) -> str:
    """``text`` in one line of at most ``limit`` characters, each of which is printed and does nothing else.

    A longer one is cut, and ends with "…". "␛" stands for an escape, "␤" for a new line, other control characters are
    shown by their pictures likewise (U+2400…), and format characters by their numbers: "<U+202E>".
    """
    if len(text) <= limit and text.isprintable():
        return text
    text = text.strip("\r\n").replace("\r\n", "\n")
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    return "".join(char if char.isprintable() else _picture(char) for char in text)


def _picture(char: str) -> str:
    code = ord(char)
    if char in "\n\r\x85\u2028\u2029":
        return "␤"
    if char == "\t" or (char.isspace() and code > 0x7F):
        return " "
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return "�" if 0xD800 <= code <= 0xDFFF else f"<U+{code:04X}>"


def remember_secret(value: str) -> None:
    """Mask this credential in every message from now on, also as it is written in a URL. One that is shorter than
    ``SHORTEST`` is not remembered."""
    if len(value) < SHORTEST or value in _known:
        return
    from urllib.parse import quote

    with _lock:
        for form in (value, quote(value, safe="")):
            _known[form] = None
        while len(_known) > _KEPT:
            del _known[next(iter(_known))]


def masked(text: str) -> str:
    """``text`` with "•••" in place of every credential that this process has read."""
    for value in tuple(_known):
        if value in text:
            text = text.replace(value, MASK)
    return text


def safe_message(text: str) -> str:
    """A message of which parts may be foreign: masked, in one line, and cut."""
    return one_line(masked(text), MESSAGE_LIMIT)
