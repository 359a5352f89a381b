"""``httpx`` without its command line. ``httpx`` imports its command line if click, Pygments and Rich are installed, as
they are here, and this doubles the time of its import."""

from __future__ import annotations

import sys

COMMAND_LINE = "httpx._main"

if "httpx" not in sys.modules:
    sys.modules[COMMAND_LINE] = None  # type: ignore[assignment]  # CPython's way to make an import fail
try:
    import httpx as httpx
finally:
    if sys.modules.get(COMMAND_LINE) is None:
        sys.modules.pop(COMMAND_LINE, None)
