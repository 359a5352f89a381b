"""Parses a reference in a table: CSV with the columns model, version, feature, count, and bound or category.

Each row is a bin. ``bound`` is its upper bound; for the last bin it is "+Inf" or empty. The version is optional.
"""

from __future__ import annotations

import csv
import io
import math

from backends.contracts import ModelRef
from backends.errors import Malformed

Entry = dict[str, object]


def parse_table(content: bytes, where: str, about: ModelRef | None = None) -> list[object]:
    """The same entries that a JSON reference has. ``about`` is the model version for rows without one.

    Raises:
        Malformed: the table is not valid; the message has ``where`` and the row.
    """
    model, version = (about.model, about.version) if about is not None else ("", "*")
    needed = {"feature", "count"} | ({"model"} if about is None else set())
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        columns = set(reader.fieldnames or ())
        if not needed <= columns or not columns & {"bound", "category"}:
            raise Malformed(f"{where} needs the columns {', '.join(sorted(needed))}, and bound or category")
        found: dict[tuple[str, str, str], list[tuple[object, float]]] = {}
        categorical: set[tuple[str, str, str]] = set()
        for row in reader:
            here = f"{where}: row {reader.line_num}"
            key = (row.get("model") or model, row.get("version") or version, row["feature"] or "")
            if row.get("category"):
                categorical.add(key)
            found.setdefault(key, []).append((row.get("category") or _bound(row.get("bound"), here), _count(row, here)))
    except UnicodeDecodeError:
        raise Malformed(f"{where} is not UTF-8") from None
    except csv.Error as error:
        raise Malformed(f"{where} is not CSV: {error}") from None
    return [_entry(key, rows, "categories" if key in categorical else "bounds") for key, rows in found.items()]


def _entry(key: tuple[str, str, str], rows: list[tuple[object, float]], named: str) -> Entry:
    if named == "bounds":
        rows = sorted(rows, key=lambda row: math.inf if row[0] is None else float(str(row[0])))
    model, version, feature = key
    return {
        "model": model,
        "version": version,
        "feature": feature,
        named: [one for one, _ in rows],
        "counts": [count for _, count in rows],
    }


def _bound(text: object, here: str) -> float | None:
    if text is None or str(text).strip().lower() in ("", "inf", "+inf", "infinity"):
        return None
    return _float(text, "bound", here)


def _count(row: dict[str, str], here: str) -> float:
    return _float(row.get("count"), "count", here)


def _float(text: object, what: str, here: str) -> float:
    try:
        number = float(str(text))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise Malformed(f"{here}: {what} {str(text)[:40]!r} is not a number")
    return number
