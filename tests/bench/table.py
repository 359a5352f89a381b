"""The figures: one row for each measure, printed as one table and written as JSON."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Row:
    """One figure, or ``None`` where there could be none, which ``note`` explains.

    With a ``reference`` from the same run the ratio of the two is what counts, else the figure itself. ``limit`` is the
    most that it may be; without one it is only told.
    """

    measure: str
    figure: float | None
    unit: str
    limit: float | None = None
    reference: float | None = None
    reference_name: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.figure / self.reference if self.figure is not None and self.reference else None

    @property
    def reached(self) -> bool | None:
        """Whether the figure is within its limit; ``None`` where there is none."""
        if self.limit is None or self.figure is None:
            return None
        counts = self.figure if self.reference is None else self.ratio
        return counts is not None and counts <= self.limit


def quantile(values: Sequence[float], part: float) -> float:
    """The value that so large a part (0–1) does not exceed: the nearest rank."""
    return sorted(values)[max(0, math.ceil(len(values) * part) - 1)]


def middle(values: Iterable[float]) -> float:
    return median(list(values))


def shown(value: float | None, unit: str) -> str:
    """A figure with its unit, with three digits that count."""
    if value is None:
        return "–"
    digits = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{digits} {unit}".strip()


def cells(row: Row) -> tuple[str, ...]:
    reference = "–" if row.reference is None else f"{row.reference_name}: {shown(row.reference, row.unit)}"
    ratio = "–" if row.ratio is None else f"{row.ratio:.2f}×"
    if row.limit is None:
        limit = "–"
    else:
        limit = f"≤ {row.limit:g}×" if row.reference is not None else f"≤ {shown(row.limit, row.unit)}"
    reached = {None: "–", True: "yes", False: "NO"}[row.reached]
    return (row.measure, shown(row.figure, row.unit), reference, ratio, limit, reached, row.note)


HEADS = ("measure", "figure", "reference", "ratio", "to reach", "reached", "")


def markdown(rows: Sequence[Row]) -> str:
    """The table, as it stands in the documentation too."""
    table = [HEADS, *map(cells, rows)]
    wide = [max(len(line[column]) for line in table) for column in range(len(HEADS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, wide, strict=True)) + " |" for line in table
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in wide) + "|", *lines[1:]])


def machine() -> dict[str, object]:
    """Where it was measured, and how busy it was."""
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "load": [round(one, 2) for one in os.getloadavg()],
    }


def write(path: Path, groups: dict[str, list[Row]]) -> None:
    found = {
        name: [{**asdict(row), "ratio": row.ratio, "reached": row.reached} for row in rows]
        for name, rows in groups.items()
    }
    path.write_text(
        json.dumps({"machine": machine(), "groups": found}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
