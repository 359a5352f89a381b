"""Changed regions are written, and nothing beside them.

Textual 8 writes a changed region of a line from the left edge of its widget on (``ChopsUpdate`` crops on the right
only), which makes a figure that changes at the end of a row as dear as the whole row.
"""

from __future__ import annotations

from rich.console import Console
from rich.control import Control
from textual import _compositor


class NarrowUpdate(_compositor.ChopsUpdate):
    """Writes just the spans, ``(y, x1, x2)`` with ``x2`` exclusive."""

    def render_segments(self, console: Console) -> str:
        written: list[str] = []
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= x2 or end <= x1:
                    continue
                first, last = max(x, x1), min(end, x2)
                written.append(Control.move_to(first, y).segment.text)
                written.append(strip.crop(first - x, last - x).render(console))
        return "".join(written)


def write_narrowly() -> None:
    """Have Textual use it, in this whole process."""
    _compositor.ChopsUpdate = NarrowUpdate  # type: ignore[misc]
