"""Finds endpoints by the names that people type: the full ref, or an unambiguous part of it. Also keeps a small file of
the endpoints that were seen last, so that a shell can complete them without a request."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from backends.contracts import EndpointRef
from shiftdeck.common.paths import cache_dir

if TYPE_CHECKING:
    from shiftdeck.engine.view import View


class NotAnEndpoint(LookupError):
    """The text names no endpoint, or more than one. The message lists the candidates."""


def forms(ref: EndpointRef) -> tuple[str, str, str, str]:
    """All forms in which a ref may be written, the longest first."""
    return str(ref), f"{ref.scope}/{ref.name}", f"{ref.backend}:{ref.name}", ref.name


def resolve(text: str, refs: Iterable[EndpointRef]) -> EndpointRef:
    """The endpoint that ``text`` names: ``lab:prod/sentiment``, ``prod/sentiment``, ``lab:sentiment`` or ``sentiment``.

    Raises:
        NotAnEndpoint: the text names none or several.
    """
    known = sorted(set(refs))
    for at in range(4):
        found = [ref for ref in known if forms(ref)[at] == text]
        if len(found) == 1:
            return found[0]
        if found:
            raise NotAnEndpoint(f"{text!r} may mean {_listed(found)}: write one of them in full")
    if not known:
        raise NotAnEndpoint(f"no endpoint {text!r}: none is known, as no serving system has answered")
    from difflib import get_close_matches

    spellings = {form: ref for ref in known for form in reversed(forms(ref))}
    close = list(dict.fromkeys(spellings[form] for form in get_close_matches(text, spellings, n=5)))
    if close:
        raise NotAnEndpoint(f"no endpoint {text!r}; did you mean {_listed(close)}?")
    raise NotAnEndpoint(f"no endpoint {text!r}; known are {_listed(known)}")


def resolve_ref(text: str, view: View) -> EndpointRef:
    """``resolve`` among the endpoints of a view.

    Raises:
        NotAnEndpoint: the text names none or several.
    """
    return resolve(text, (endpoint.ref for endpoint in view.endpoints))


def _listed(refs: list[EndpointRef]) -> str:
    more = f" and {len(refs) - 8} more" if len(refs) > 8 else ""
    return ", ".join(map(str, refs[:8])) + more


# ── the cache for completion ────────────────────────────────────────────────────────────────────────────────────


def cache_file() -> Path:
    return cache_dir() / "endpoints.json"


def remember(view: View) -> None:
    """Store the names of all endpoints and variants of this context for completion. Errors while writing are
    ignored."""
    if not view.endpoints:
        return
    seen = {str(endpoint.ref): [variant.name for variant in endpoint.variants] for endpoint in view.endpoints}
    kept = dict(_read())
    if kept.get(view.context) == seen:
        return
    kept[view.context] = seen
    path = cache_file()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}")
        part.write_text(json.dumps(kept), encoding="utf-8")
        part.replace(path)


def recall(context: str | None = None) -> dict[EndpointRef, list[str]]:
    """The variants by endpoint that were seen last, in ``context``; ``None``: in all contexts."""
    found: dict[EndpointRef, list[str]] = {}
    for name, endpoints in _read().items():
        if context in (None, name) and isinstance(endpoints, dict):
            for text, variants in endpoints.items():
                with suppress(ValueError):
                    found[EndpointRef.parse(text)] = (
                        [str(one) for one in variants] if isinstance(variants, list) else []
                    )
    return found


def _read() -> Mapping[str, object]:
    try:
        content = json.loads(cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
