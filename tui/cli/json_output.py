"""The output of the command line: JSON objects of a fixed shape, and plain text in columns."""

from __future__ import annotations

import json
import math
import os
import re
import select
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from backends import contracts
from backends.contracts import Role
from backends.text import one_line
from shiftdeck.health.latency import p95_of

if TYPE_CHECKING:
    from backends.contracts import Change, VariantMetrics
    from shiftdeck.changes.check import Check
    from shiftdeck.changes.plan import Plan
    from shiftdeck.changes.recovery import Finding
    from shiftdeck.changes.run import Outcome
    from shiftdeck.engine.view import View
    from shiftdeck.fleet.endpoint import EndpointView, VariantView
    from shiftdeck.health.latency import Quantile
    from shiftdeck.sources.source import SourceStatus

_ASCII = str.maketrans(
    {
        "✖": "x",
        "▲": "!",
        "●": "o",
        "✔": "+",
        "→": "->",
        "·": "-",
        "–": "-",
        "—": "-",
        "…": "...",
        "≤": "<=",
        "≥": ">=",
        "×": "x",
        "°": "",
        "µ": "u",
        "•": "*",
    }
)

_OURS = re.compile(r"(\x1b\[(?:0|1|2|3[1-7])m)")
"""The styles that this program prints itself."""

_PRINTED = re.compile(r"[^\n]+")

CELL_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Printer:
    """Writes lines, in ASCII if the terminal shows nothing else. A closed pipe or terminal is not an error: a change
    under way must go on. ``closed`` holds the streams whose reader has gone; true stands for standard error."""

    ascii_only: bool = False
    closed: set[bool] = field(default_factory=set, compare=False)

    def fit(self, text: str) -> str:
        if not text.isprintable():
            parts = _OURS.split(text)  # every second one is a style
            parts[::2] = [_PRINTED.sub(lambda found: one_line(found[0], len(found[0])), part) for part in parts[::2]]
            text = "".join(parts)
        return text.translate(_ASCII).encode("ascii", "replace").decode() if self.ascii_only else text

    def out(self, text: str = "") -> None:
        self._write(self.fit(text), err=False)

    def err(self, text: str = "") -> None:
        """Write a line that is not part of the result to standard error."""
        self._write(self.fit(text), err=True)

    def json(self, value: object) -> None:
        """One object on one line."""
        text = json.dumps(value, ensure_ascii=self.ascii_only, allow_nan=False)
        if not text.isprintable():
            text = "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
        self._write(text, err=False)

    def _write(self, text: str, *, err: bool) -> None:
        try:
            click.echo(text, err=err)
        except OSError:
            # The reader has gone (a closed pipe or terminal). Python would report it again when it flushes at exit.
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, (sys.stderr if err else sys.stdout).fileno())
            os.close(quiet)
            self.closed.add(err)

    @property
    def reader_gone(self) -> bool:
        """Whether nobody reads standard output any more, as far as that can be told without writing to it."""
        if False in self.closed:
            return True
        poll = select.poll()
        try:
            poll.register(sys.stdout.fileno(), 0)
        except (OSError, ValueError):  # not a stream of the system
            return False
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


# ── text ────────────────────────────────────────────────────────────────────────────────────────────────────────


def table(rows: Iterable[Sequence[str]], *, head: Sequence[str] = (), right: Iterable[int] = ()) -> list[str]:
    """Lines with aligned columns, two spaces apart. The columns numbered in ``right`` are aligned to the right. ANSI
    styles in the text count as no width. The last column may be of any length."""
    shown = [tuple(map(_one_line, row)) for row in ([head, *rows] if head else rows)]
    if not shown:
        return []
    to_right = frozenset(right)
    widths = [max(_width(row[at]) for row in shown if at < len(row)) for at in range(max(map(len, shown)))]
    return ["  ".join(_cell(text, widths[at], at in to_right) for at, text in enumerate(row)).rstrip() for row in shown]


def _one_line(cell: str) -> str:
    return cell if _OURS.match(cell) else one_line(cell, CELL_LIMIT)


def _width(text: str) -> int:
    return len(click.unstyle(text))


def _cell(text: str, width: int, to_right: bool) -> str:
    room = " " * (width - _width(text))
    return room + text if to_right else text + room


# ── JSON ────────────────────────────────────────────────────────────────────────────────────────────────────────


def iso(at: float) -> str:
    """ISO 8601 in UTC, to the millisecond: "2025-03-01T03:14:22.120Z"."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def number(value: float | None, digits: int = 6) -> float | None:
    """The rounded value; ``None`` if it is not known, or not a finite number, which JSON cannot hold."""
    return round(value, digits) if value is not None and math.isfinite(value) else None


def status_json(view: View) -> dict[str, object]:
    """The object that ``status --json`` prints. Weights and shares are percent, latencies and ages seconds, error
    ratios 0–1; unknown values are null. The metrics of a shadow are those of its mirrored requests. ``actions`` are
    those that are possible now."""
    return {
        "generated_at": iso(view.at),
        "context": view.context,
        "sources": [_source_json(status, view.at) for status in view.sources],
        "endpoints": [_endpoint_json(endpoint, view.at) for endpoint in view.endpoints],
        "changes": [_finding_json(finding) for finding in view.findings],
    }


def _finding_json(finding: Finding) -> dict[str, object]:
    """A change that an earlier process left without an outcome (null: it is not known yet), or whose outcome was
    reopened."""
    entry = finding.entry
    return {
        "seq": entry.seq,
        "ref": entry.ref,
        "change": str(entry.data.get("change", "")),
        "operator": entry.operator,
        "outcome": None if finding.outcome is None else str(finding.outcome),
        "message": finding.message,
        "reopened": finding.reopened,
    }


def _source_json(status: SourceStatus, now: float) -> dict[str, object]:
    return {
        "name": status.name,
        "state": str(status.state),
        "age_s": number(status.age_s(now), 1),
        "error": status.error or None,
        "remarks": list(status.remarks),
    }


def _endpoint_json(view: EndpointView, now: float) -> dict[str, object]:
    return {
        "ref": str(view.ref),
        "phase": str(view.endpoint.phase),
        "message": view.endpoint.message or None,
        "owner": view.endpoint.owner or None,
        "actions": [str(action) for action, reason in view.endpoint.actions.items() if reason is None],
        "health": str(view.verdict.level),
        "reasons": [reason.words(now) for reason in view.verdict.reasons],
        "stalled": view.verdict.stalled,
        "variants": [_variant_json(variant) for variant in view.variants],
    }


def _variant_json(view: VariantView) -> dict[str, object]:
    variant = view.variant
    return {
        "name": variant.name,
        "role": str(variant.role),
        "model": variant.model.model if variant.model else None,
        "version": variant.model.version if variant.model else None,
        "desired": number(variant.desired),
        "observed": number(variant.observed),
        "measured": number(variant.measured, 2),
        "mirror": number(variant.mirror),
        "message": variant.message or None,
        "ready": variant.ready,
        "wanted": variant.wanted,
        "metrics": _metrics_json(metrics_of(view)),
    }


def metrics_of(view: VariantView) -> VariantMetrics | None:
    """The metrics of a variant: of the mirrored requests if it is a shadow, else of live requests."""
    if view.variant.role is Role.SHADOW and view.mirrored is not None:
        return view.mirrored
    return view.metrics


def _metrics_json(metrics: VariantMetrics | None) -> dict[str, object] | None:
    if metrics is None:
        return None
    return {
        "rps": number(metrics.rps, 3),
        "error_ratio": number(metrics.error_ratio),
        "p50": number(metrics.p50),
        "p95": number(metrics.p95),
        "p99": number(metrics.p99),
        "p95_between": _bounds(p95_of(metrics)),
        "mean": number(metrics.mean),
        "samples": metrics.samples,
        "window_s": number(metrics.window_s, 3),
    }


def _bounds(known: Quantile | None) -> list[float | None] | None:
    """The bounds of a quantile; an upper bound of null is none: it lies beyond the last bucket."""
    return None if known is None else [number(known.lower), number(known.upper)]


def change_json(change: Change) -> dict[str, object]:
    """A change as ``{"action": …}`` with its fields: weights, variant, percent, release."""
    values = {field.name: getattr(change, field.name) for field in fields(change)}
    return {
        "action": str(contracts.action_of(change)),
        **{name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items() if value != ()},
    }


def checks_json(checks: Sequence[Check]) -> list[dict[str, object]]:
    """The checks of a plan with their evidence."""
    return [
        {
            "name": check.name,
            "verdict": str(check.verdict),
            "evidence": check.evidence,
            "age_s": number(check.age_s, 1),
        }
        for check in checks
    ]


def plan_json(plan: Plan) -> dict[str, object]:
    """A plan: what changes, the exact calls, the checks with their evidence, the way back."""
    return {
        "id": plan.id,
        "created": iso(plan.created),
        "context": plan.context,
        "production": plan.production,
        "ref": str(plan.ref),
        "change": change_json(plan.change),
        "rows": [
            {
                "variant": row.variant,
                "role": row.role,
                "before": number(row.before),
                "after": number(row.after),
                "rps_before": number(row.rps_before, 3),
                "rps_after": number(row.rps_after, 3),
                "mirror_before": number(row.mirror_before),
                "mirror_after": number(row.mirror_after),
            }
            for row in plan.shown_rows
        ],
        "checks": checks_json(plan.checks),
        "calls": [
            {
                "source": step.source,
                "method": step.call.method,
                "path": step.call.path,
                "body": step.call.body,
                "guard": step.call.guard,
                "summary": step.call.summary,
                "command": step.call.command,
            }
            for step in plan.steps
        ],
        "blocked": plan.blocked,
        "friction": str(plan.friction),
        "way_back": plan.shown_way_back,
        "undo": change_json(plan.undo) if plan.undo is not None and plan.steps else None,
    }


def outcome_json(outcome: Outcome) -> dict[str, object]:
    """The outcome of a change: ``kind`` is settled, refused, conflict, failed, unknown or superseded."""
    return {
        "kind": str(outcome.kind),
        "message": outcome.message,
        "confirmed": outcome.confirmed,
        "changed": list(outcome.changed),
        "read_at": None if outcome.read_at is None else iso(outcome.read_at),
    }
