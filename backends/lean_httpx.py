"""``httpx`` without its command line. It imports that with itself where click, Pygments and Rich are installed, as they
are here, and takes twice as long."""

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
