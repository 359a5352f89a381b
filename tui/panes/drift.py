"""How far the live features of one endpoint are from their references. Pure; no score is neither good nor bad."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from backends.contracts import Direction, DriftScore
from ops.drift import figure, number, severity
from ops.durations import age
from ops.fleet import EndpointView, FleetView
from tui import format as fmt
from tui.panes import sources
from tui.panes.content import Content
from tui.panes.grid import Column, grid
from tui.style import Look

SPARKS = 10


def drift(view: FleetView, selected: EndpointView | None, look: Look, width: int) -> Content:
    """The scores of the selected endpoint, worst first."""
    statuses = sources.of_kind(view, "drift")
    if selected is None:
        return Content(
            "DRIFT", Text(), sources.why_empty(statuses, "drift scores", "no endpoint selected", look, width)
        )
    lines = sources.notes(statuses, view.at, look, width)
    if not selected.drift:
        nothing = f"no scores of {selected.ref.name}"
        lines += sources.why_empty(statuses, "drift scores", nothing, look, width)
        return Content("DRIFT", Text(), lines)
    rows = score_lines(selected.drift, look, width)
    lines += rows if sources.fresh(statuses) else sources.aged(rows, look)
    drifted = sum(bool(one.crossed) for one in selected.drift)
    count = f"{drifted} of {len(selected.drift)} " if drifted else ""
    subtitle = look.text((count, "warning"))
    subtitle.append(about(selected.drift, look, width - len("DRIFT ") - len(count)), look["muted"])
    return Content("DRIFT", subtitle, lines)


def about(scores: Sequence[DriftScore], look: Look, width: int) -> str:
    """The method and the windows, in the longest form that fits: "psi · 1h vs training 2026-06-29"."""
    of_inputs = [score for score in scores if score.delay_s is None]
    methods = ", ".join(dict.fromkeys(score.method for score in of_inputs if score.method))
    windows = ", ".join(dict.fromkeys(age(score.window_s) for score in of_inputs if score.window_s))
    baselines = list(dict.fromkeys(score.baseline for score in of_inputs if score.baseline))
    brief = list(dict.fromkeys(baseline.split(" ")[0] for baseline in baselines))
    for named in (baselines, brief, []):
        against = f" vs {', '.join(named)}" if named else ""
        words = f" {look.symbols.dot} ".join(part for part in (methods, windows) if part) + against
        if len(words) <= width:
            break
    return words


def badness(score: DriftScore) -> tuple[int, float]:
    """For sorting, worst first: crossed, then none at all, then the others by how near they are to their threshold."""
    if score.crossed is False and score.delay_s is not None:
        return 3, 0.0  # how right the answers are comes after what they were about
    return (1 if score.value is None else 0 if score.crossed else 2), -severity(score)


def score_lines(scores: Sequence[DriftScore], look: Look, width: int) -> list[Text]:
    """A row for each feature: its history, the score against the threshold, and the sample behind it."""
    several = len({score.subject.variant for score in scores}) > 1
    rows = []
    for score in sorted(scores, key=badness):
        style = "warning" if score.crossed else "text" if score.value is not None else "muted"
        sign = ">" if score.direction is Direction.ABOVE else "<"
        against = f" {sign} {number(score.threshold, score.direction)}" if score.crossed else ""
        top = score.threshold * 1.25 if score.direction is Direction.ABOVE else None
        sparks = fmt.sparkline(score.history, SPARKS, look.symbols.sparks, top)
        rows.append(
            (
                look.text((f"{score.subject.variant} " if several else "", "muted"), (score.feature, style)),
                look.text((sparks, style if score.crossed else "muted")),
                look.text((f"{figure(score)}{against}" if score.value is not None else "no score", style)),
                look.text((score.note or f"n {short_count(score.samples)}", "muted")),
            )
        )
    columns = (Column(), Column(rank=2), Column(), Column(rank=1, flexible=True, least=6))
    return grid(columns, rows, width, look)


def short_count(number: int) -> str:
    """A count in at most five characters: "4,812", "48k", "2.9M"."""
    if number < 10_000:
        return fmt.count(number)
    if number < 999_500:
        return f"{number / 1000:.0f}k"
    return f"{number / 1e6:.1f}M" if number < 99.5e6 else f"{number / 1e6:.0f}M"
