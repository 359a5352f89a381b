"""Two versions of a model side by side, as lines. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from backends.contracts import ModelVersion
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.registry.version_diff import Part, Row
from tui.render.columns import GAP, Column
from tui.render.columns import row as row_of
from tui.render.registry import more_is_better
from tui.render.theme import Look

COLUMNS = (Column(), Column(), Column(), Column(), Column(right=True))
LONGEST_NAME = 30


def pair(view: View, endpoint: EndpointView) -> tuple[ModelVersion, ModelVersion] | None:
    """The two versions to show first: a version that serves, and another version that serves, else the newest other
    one. ``None`` if the registry does not know two."""
    served = [one.version for one in endpoint.variants if one.version is not None]
    if not served:
        return None
    old = served[0]
    beside = [one for one in served if one.ref != old.ref]
    of_model = [one for one in view.versions if one.ref.model == old.ref.model and one.ref != old.ref]
    candidates = beside or of_model
    return (old, candidates[0]) if candidates else None


def version_rows(rows: Sequence[Row], look: Look, width: int, names: tuple[str, str]) -> list[Text]:
    """Headings and a line for each row. Equal rows are muted."""
    cells = []
    part: Part | None = None
    for row in rows:
        style = "text" if row.differs else "muted"
        cells.append(
            (
                look.text((str(row.part) if row.part is not part else "", "title")),
                look.text((row.name, style)),
                look.text((row.old, "muted")),
                look.text((row.new, style)),
                look.text((row.change, _style(row))),
            )
        )
        part = row.part
    heads = [look.text((head, "muted")) for head in ("", "", *names, "difference")]
    given = _widths([heads, *cells], width)
    return [row_of(line, COLUMNS, given) for line in (heads, *cells)]


def _widths(lines: Sequence[Sequence[Text]], width: int) -> list[int]:
    """The widths of the columns. The two values share the remaining width; a value that needs less than half leaves the
    rest to the other."""
    part, name, old, new, change = (max(line[at].cell_len for line in lines) for at in range(len(COLUMNS)))
    name = min(name, LONGEST_NAME)
    room = max(2, width - part - name - change - GAP * (len(COLUMNS) - 1))
    old = min(old, max(room // 2, room - new))
    return [part, name, old, min(new, room - old), change]


def _style(row: Row) -> str:
    if row.part is Part.SIGNATURE and row.differs:
        return "ok" if row.change == "fits" else "warning"
    if row.part is not Part.METRICS or not row.change.startswith(("+", "-")):
        return "text"
    better = more_is_better(row.name)
    return "text" if better is None else "ok" if row.change.startswith("+") is better else "warning"
