"""Finds what looks like a secret, and keeps it out of messages and files."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from backends.text import MASK, masked

_SECRET_WORDS = frozenset(
    {
        "apikey",
        "auth",
        "authorization",
        "bearer",
        "cookie",
        "credential",
        "credentials",
        "passphrase",
        "passwd",
        "password",
        "pwd",
        "secret",
        "token",
    }
)
_KEY_OWNERS = frozenset(
    {"access", "account", "api", "auth", "encryption", "private", "secret", "shared", "signing", "subscription"}
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

SENTENCES = frozenset({"answer", "changed", "message", "reason", "unrecorded"})
"""The keys of texts in which credentials that were read are masked by their value. Elsewhere a name may hold a word
that is somebody's credential, and a change is looked up by it after a crash."""

_SURROGATE = re.compile("[\ud800-\udfff]")
# These patterns are run over foreign text of any length, so each is bounded or has a rare beginning.
_URL_PASSWORD = re.compile(r"(?P<scheme>[A-Za-z0-9+.-]://)[^/?#\s@:]*:[^/?#\s]*@")
_NAMED_VALUE = re.compile(
    r"(?i)(?P<name>(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|\bsig)\s*=\s*)"
    r"(?P<value>\"[^\"]*\"|'[^']*'|[^\s&,;\"']+)"
)
_KNOWN_TOKEN = re.compile(
    r"(?i:\bbearer)\s+[A-Za-z0-9._~+/-]{8,}=*"
    r"|\beyJ[A-Za-z0-9_-]{8,2000}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # a JSON web token
    r"|\b(?:gh[opsu]|github_pat|hf)_[A-Za-z0-9_]{20,}|\b(?:glpat|xox[bp])-[A-Za-z0-9-]{20,}|\bdapi[0-9a-f]{32}"
    r"|\bsk-(?:[a-z]{1,20}-){0,4}[A-Za-z0-9_]{20,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----"
)


def _words(key: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(key)]


def _secret_at(words: Sequence[str], at: int) -> bool:
    word = words[at]
    return word in _SECRET_WORDS or (word == "key" and at > 0 and words[at - 1] in _KEY_OWNERS)


def may_hold_secret(key: str) -> bool:
    """Whether a value under that key must not be written down: some word of the key names a secret.

    True for "X-Api-Key", "clientSecret" and "token_value", false for "max_tokens" and "revision".
    """
    words = _words(key)
    return any(_secret_at(words, at) for at in range(len(words)))


def names_secret(key: str) -> bool:
    """Whether the value of that key is itself a secret: its last word names one. True for "token", false for
    "token_url"."""
    words = _words(key)
    return bool(words) and _secret_at(words, len(words) - 1)


def holds_secret(text: str) -> bool:
    """Whether a text looks like a secret, by its form: a URL with a password in it, or a token of a known form."""
    return _without_forms(text) != text


def scrub(text: str) -> str:
    """``text`` with credentials that were read, passwords in URLs, ``token=…`` and tokens of known forms replaced by
    "•••"."""
    return _without_forms(masked(text))


def _without_forms(text: str) -> str:
    text = _URL_PASSWORD.sub(lambda found: f"{found['scheme']}{MASK}@", text)
    text = _KNOWN_TOKEN.sub(MASK, text)
    return _NAMED_VALUE.sub(lambda found: found["name"] + MASK, text)


def redact(value: object) -> object:
    """A copy that JSON can hold, with "•••" for each text under a key that may hold a secret, at any depth.

    Numbers are kept: a variant may be called "token-classifier", and its weight is no secret. Mappings become dicts and
    sequences lists. Texts are scrubbed. Values without a JSON form stay readable: a number that is not finite becomes
    its name, a lone surrogate becomes "�".

    Raises:
        TypeError: a value of a type that has no JSON form.
    """
    return _redact(value, hidden=False, said=True)


def _redact(value: object, *, hidden: bool, said: bool) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        text = _SURROGATE.sub("\ufffd", str(value))
        return MASK if hidden and value else scrub(text) if said else _without_forms(text)
    if isinstance(value, Mapping):
        return {
            _SURROGATE.sub("\ufffd", str(key)): _redact(
                held, hidden=hidden or may_hold_secret(str(key)), said=str(key) in SENTENCES
            )
            for key, held in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        header = len(value) == 2 and isinstance(value[0], str) and may_hold_secret(value[0])  # a header as a pair
        return [_redact(item, hidden=hidden or (header and at == 1), said=said) for at, item in enumerate(value)]
    raise TypeError(f"{type(value).__name__} has no JSON form")
