"""NannyML results: the content of ``results.to_df()``, saved as CSV (with three rows of headings, or one) or as JSON
records.

The columns of NannyML 0.13 are ``chunk_end_date``, ``chunk_period`` and, for each column and method,
``{column}_{method}_value``, ``_upper_threshold``, ``_lower_threshold`` and ``_alert``. NannyML's default thresholds are
the reference's mean ± 3σ. For a method without thresholds (χ²) the alert is used. Each row is a chunk: the last row is
the score, and the rows before it are its history.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import ClassVar

from backends.contracts import Direction, Wiring
from backends.drift.report_files import ReportFiles, ReportOptions
from backends.drift.reported import Report, about
from backends.errors import Malformed
from backends.options import Options, duration

METHODS: Mapping[str, str] = {
    "jensen_shannon": "js",
    "kolmogorov_smirnov": "ks",
    "l_infinity": "linf",
    "wasserstein": "wasserstein (raw)",  # in the unit of the values
    "chi2": "chi2",
    "hellinger": "hellinger",
}
QUALITY = (
    "roc_auc", "f1", "precision", "recall", "specificity", "accuracy", "business_value", "average_precision",
    "mae", "mape", "mse", "msle", "rmse", "rmsle",
)  # fmt: skip
"""Metrics of its performance calculator (``realized``) and estimators (CBPE, DLE). These metrics have no column."""

Row = Mapping[str, object]


class NannymlOptions(ReportOptions):
    """Options: the place of NannyML's results, their subject, and the age at which they are stale."""

    delay = duration("the age of the truth behind performance metrics", default=0.0)
    stale_after = duration("the scores of an older chunk count as dead", default=36 * 3600.0)


class NannymlDrift(ReportFiles):
    """Thread-safe."""

    OPTIONS: ClassVar[type[Options]] = NannymlOptions
    SUFFIXES = (".csv", ".json")
    EMPTY = "save results.filter(period='analysis').to_df() with its headings"

    def __init__(self, wiring: Wiring[NannymlOptions]) -> None:
        super().__init__(wiring, wiring.options.stale_after)
        self._options = wiring.options

    def _parse(self, content: bytes, where: str, written: float) -> tuple[Report, ...]:
        return parse(content, where, written, self._options)


def parse(content: bytes, where: str, written: float, options: NannymlOptions) -> tuple[Report, ...]:
    """All scores of all chunks that are not of the reference period. ``written`` is the time of chunks without a date.

    Raises:
        Malformed: the content is not NannyML's results; the message gives the place and the reason.
    """
    rows = list(_records(content, where) if content.lstrip()[:1] in (b"[", b"{") else _table(content, where))
    names = {name for row in rows for name in row if name.endswith("_value")}
    if rows and not names:
        raise Malformed(f"{where} has no columns that end in _value, as NannyML's results have")
    found: list[Report] = []
    for number, row in enumerate(rows):
        if str(row.get("chunk_period") or "analysis") != "reference":
            at = _time(row.get("chunk_end_date"), written - (len(rows) - 1 - number))
            found += [one for name in sorted(names) for one in _score(row, name.removesuffix("_value"), at, options)]
    return tuple(found)


def _score(row: Row, stem: str, at: float, options: NannymlOptions) -> Iterator[Report]:
    feature, method, quality = _named(stem)
    value = _number(row.get(f"{stem}_value"))
    upper, lower = _number(row.get(f"{stem}_upper_threshold")), _number(row.get(f"{stem}_lower_threshold"))
    direction, threshold = Direction.ABOVE, upper
    if lower is not None and (upper is None or (value is not None and value < (lower + upper) / 2)):
        direction, threshold = Direction.BELOW, lower
    alert = str(row.get(f"{stem}_alert")).strip().lower()
    if threshold is None and alert in ("true", "false", "1", "0"):
        method, value, threshold = f"{method} alert", float(alert in ("true", "1")), 0.5
    start, end = _number(row.get("chunk_start_index")), _number(row.get("chunk_end_index"))
    subject, model = about(options, {})
    yield Report(
        subject,
        model,
        feature,
        method,
        math.nan if value is None else value,
        threshold,
        direction,
        at,
        samples=int(end - start + 1) if start is not None and end is not None and 0 <= end - start < 1e15 else 0,
        baseline="nannyml",
        delay_s=options.delay if quality else None,
    )


def _named(stem: str) -> tuple[str, str, bool]:
    """Splits "amount_jensen_shannon" into the feature, this program's name of the method, and whether it is quality."""
    for method, ours in METHODS.items():
        if stem.endswith(f"_{method}"):
            return stem.removesuffix(f"_{method}"), ours, False
    for prefix in ("realized_", "estimated_", ""):
        name = stem.removeprefix(prefix)
        if stem.startswith(prefix) and name in QUALITY:
            return name, f"{prefix}{name}", True
    feature, _, method = stem.rpartition("_")
    return feature or stem, method, False


def _table(content: bytes, where: str) -> Iterator[Row]:
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))
    except UnicodeDecodeError:
        raise Malformed(f"{where} is not UTF-8") from None
    except csv.Error as error:
        raise Malformed(f"{where} is not CSV: {error}") from None
    if not rows:
        raise Malformed(f"{where} is empty")
    names, rest = _names(rows)
    yield from (dict(zip(names, row, strict=False)) for row in rest)


def _names(rows: Sequence[Sequence[str]]) -> tuple[list[str], Sequence[Sequence[str]]]:
    """The names of the columns. Two or three rows of headings are joined in the same way as in NannyML."""
    depth = next((depth for depth in (3, 2) if len(rows) >= depth and "value" in rows[depth - 1]), 1)
    names = []
    for levels in zip(*rows[:depth], strict=False):
        parts = ("chunk", levels[-1]) if levels[0] == "chunk" else tuple(dict.fromkeys(levels))
        names.append("_".join(parts).replace("chunk_chunk_", "chunk_") if depth > 1 else levels[0])
    return names, rows[depth:]


def _records(content: bytes, where: str) -> Iterator[Row]:
    try:
        root = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{where} is not JSON: {str(error)[:80]}") from None
    if not isinstance(root, list) or not all(isinstance(one, dict) for one in root):
        raise Malformed(f'{where} is not a list of records: save with to_json(orient="records")')
    yield from root


def _number(value: object) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _time(value: object, written: float) -> float:
    """The end of a chunk: ISO text (UTC if it has no zone), or milliseconds, which pandas writes to JSON."""
    number = _number(value)
    if number is not None:
        return number / 1000 if number > 1e11 else number
    try:
        moment = datetime.fromisoformat(str(value))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return written
