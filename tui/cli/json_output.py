"""What the command line prints: JSON objects of a fixed shape, and plain text in columns."""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from backends import contracts
from backends.contracts import Role

if TYPE_CHECKING:
    from backends.contracts import Change, VariantMetrics
    from shiftdeck.changes.plan import Plan
    from shiftdeck.changes.run import Outcome
    from shiftdeck.engine.view import View
    from shiftdeck.fleet.endpoint import EndpointView, VariantView
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

_CONTROL = re.compile(r"(\x1b\[[0-9;]*m)|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters, apart from tabs, line feeds and our own colours: foreign text must not steer the terminal."""


@dataclass(frozen=True, slots=True)
class Printer:
    """Writes lines, in ASCII where the terminal has nothing else. A reader that has gone is not an error: what is under
    way matters more than who watches."""

    ascii_only: bool = False

    def fit(self, text: str) -> str:
        text = _CONTROL.sub(lambda found: found[1] or "\ufffd", text)
        return text.translate(_ASCII).encode("ascii", "replace").decode() if self.ascii_only else text

    def out(self, text: str = "") -> None:
        self._write(self.fit(text), err=False)

    def err(self, text: str = "") -> None:
        """To standard error: what is not the answer itself."""
        self._write(self.fit(text), err=True)

    def json(self, value: object) -> None:
        """One object on one line."""
        text = json.dumps(value, ensure_ascii=self.ascii_only, allow_nan=False)
        self._write(_CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text), err=False)

    def _write(self, text: str, *, err: bool) -> None:
        try:
            click.echo(text, err=err)
        except OSError:
            # The reader has gone (a closed pipe or terminal). Python would complain once more when it flushes at exit.
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, (sys.stderr if err else sys.stdout).fileno())
            os.close(quiet)


# ── text ────────────────────────────────────────────────────────────────────────────────────────────────────────


def table(rows: Iterable[Sequence[str]], *, head: Sequence[str] = (), right: Iterable[int] = ()) -> list[str]:
    """Lines with aligned columns, two spaces apart; the columns numbered in ``right`` are aligned to the right. Text
    may hold ANSI styles, which take no room. The last column may be of any length."""
    shown = [tuple(head), *map(tuple, rows)] if head else [tuple(row) for row in rows]
    if not shown:
        return []
    to_right = frozenset(right)
    widths = [max(_width(row[at]) for row in shown if at < len(row)) for at in range(max(map(len, shown)))]
    return ["  ".join(_cell(text, widths[at], at in to_right) for at, text in enumerate(row)).rstrip() for row in shown]


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
    """``None`` for what is not known, and for what is not a number: JSON has no word for it."""
    return round(value, digits) if value is not None and math.isfinite(value) else None


def status_json(view: View) -> dict[str, object]:
    """What ``status --json`` prints. Weights and shares are percent, latencies and ages seconds, error ratios 0–1; what
    is not known is null. A shadow's metrics are those of the requests that were copied to it."""
    return {
        "generated_at": iso(view.at),
        "context": view.context,
        "sources": [_source_json(status, view.at) for status in view.sources],
        "endpoints": [_endpoint_json(endpoint, view.at) for endpoint in view.endpoints],
    }


def _source_json(status: SourceStatus, now: float) -> dict[str, object]:
    return {
        "name": status.name,
        "state": str(status.state),
        "age_s": number(status.age_s(now), 1),
        "error": status.error or None,
    }


def _endpoint_json(view: EndpointView, now: float) -> dict[str, object]:
    return {
        "ref": str(view.ref),
        "phase": str(view.endpoint.phase),
        "health": str(view.verdict.level),
        "reasons": [reason.words(now) for reason in view.verdict.reasons],
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
        "ready": variant.ready,
        "wanted": variant.wanted,
        "metrics": _metrics_json(metrics_of(view)),
    }


def metrics_of(view: VariantView) -> VariantMetrics | None:
    """The metrics that tell how a variant behaves: of live requests, or of copies where it is a shadow."""
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
        "mean": number(metrics.mean),
        "samples": metrics.samples,
        "window_s": number(metrics.window_s, 3),
    }


def change_json(change: Change) -> dict[str, object]:
    """A change as ``{"action": …}`` with its fields: weights, variant, percent, release."""
    values = {field.name: getattr(change, field.name) for field in fields(change)}
    return {
        "action": str(contracts.action_of(change)),
        **{name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()},
    }


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
            for row in plan.rows
        ],
        "checks": [
            {
                "name": check.name,
                "verdict": str(check.verdict),
                "evidence": check.evidence,
                "age_s": number(check.age_s, 1),
            }
            for check in plan.checks
        ],
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
        "way_back": plan.way_back,
        "undo": change_json(plan.undo) if plan.undo is not None else None,
    }


def outcome_json(outcome: Outcome) -> dict[str, object]:
    """How an action ended: ``kind`` is settled, refused, conflict, failed, unknown or superseded."""
    return {
        "kind": str(outcome.kind),
        "message": outcome.message,
        "confirmed": outcome.confirmed,
        "changed": list(outcome.changed),
    }
