"""The drift pane: how far the live features of one endpoint are from their references. Pure. A missing score is shown
as neither good nor bad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from backends.contracts import Direction
from shiftdeck.common.durations import age
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.health.drift import figure, number, severity
from tui.render import format as fmt
from tui.render import source_status
from tui.render.columns import GAP, Column, grid
from tui.render.content import Content
from tui.render.theme import Look

if TYPE_CHECKING:
    from backends.contracts import DriftScore

SPARKS, FEWEST_SPARKS = 10, 4
SCROLLED = len(" 10–20 of 30")
MANY = 6
"""With more than ``MANY`` lines, the title leaves ``SCROLLED`` cells free for the range of visible lines."""


def drift(view: View, selected: EndpointView | None, look: Look, width: int) -> Content:
    """The scores of the selected endpoint, worst first."""
    statuses = source_status.of_kind(view, "drift")
    if selected is None:
        return Content(
            "DRIFT", Text(), source_status.why_empty(statuses, "drift scores", "no endpoint selected", look, width)
        )
    lines = source_status.notes(statuses, view.at, look, width)
    if not selected.drift:
        nothing = f"no scores of {selected.ref.name}"
        lines += source_status.why_empty(statuses, "drift scores", nothing, look, width)
        return Content("DRIFT", Text(), lines)
    rows = score_lines(selected.drift, look, width)
    lines += rows if source_status.fresh(statuses) else source_status.aged(rows, look)
    drifted = sum(bool(one.crossed) for one in selected.drift)
    count = f"{drifted} of {len(selected.drift)} " if drifted else ""
    room = width - len("DRIFT ") - len(count) - (SCROLLED if len(lines) > MANY else 0)
    return Content("DRIFT", look.text((count, "warning"), (about(selected.drift, look, room), "muted")), lines)


def pane(view: View, selected: EndpointView | None, look: Look, width: int, height: int) -> Content:
    """The pane of the main screen."""
    return drift(view, selected, look, width)


def depends(view: View, selected: EndpointView | None) -> object:
    """All values that the pane depends on."""
    ref, scores = (selected.ref, selected.drift) if selected else (None, ())
    return ref, scores, source_status.states(view, "drift")


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
    """The sort key, worst first: crossed scores, then missing ones, then the others by their distance to the
    threshold."""
    if score.crossed is False and score.delay_s is not None:
        return 3, 0.0  # scores of how right the answers are come after scores of inputs
    return (1 if score.value is None else 0 if score.crossed else 2), -severity(score)


def score_lines(scores: Sequence[DriftScore], look: Look, width: int) -> list[Text]:
    """A row for each feature: its history, the score against the threshold, and the sample size."""
    several = len({score.subject.variant for score in scores}) > 1
    ordered = sorted(scores, key=badness)
    named = [_named(score, look, several=several) for score in ordered]
    valued = [_valued(score, look) for score in ordered]
    noted = [look.text((_note(score), "muted")) for score in ordered]
    taken = sum(max(cell.cell_len for cell in cells) + GAP for cells in (named, valued, noted))
    room = min(SPARKS, width - taken)
    sparks = [_sparks(score, look, room if room >= FEWEST_SPARKS else 0) for score in ordered]
    columns = (Column(), Column(rank=2), Column(), Column(rank=1, flexible=True, least=6))
    return grid(columns, list(zip(named, sparks, valued, noted, strict=True)), width, look)


def _style(score: DriftScore) -> str:
    return "muted" if score.value is None else "warning" if score.crossed else "text"


def _named(score: DriftScore, look: Look, *, several: bool) -> Text:
    variant = f"{score.subject.variant} " if several else ""
    return look.text((variant, "muted"), (score.feature, _style(score)))


def _sparks(score: DriftScore, look: Look, width: int) -> Text:
    top = score.threshold * 1.25 if score.direction is Direction.ABOVE else None
    sparks = fmt.sparkline(score.history, width, look.symbols.sparks, top)
    return look.text((sparks, "warning" if score.crossed else "muted"))


def _valued(score: DriftScore, look: Look) -> Text:
    if score.value is None:
        return look.text((fmt.DASH, "muted"))
    sign = ">" if score.direction is Direction.ABOVE else "<"
    against = f" {sign} {number(score.threshold, score.direction)}" if score.crossed else ""
    return look.text((f"{figure(score)}{against}", _style(score)))


def _note(score: DriftScore) -> str:
    """The sample size of a score, or why there is no score."""
    if score.value is None:
        return score.note or "no score"
    return " ".join(filter(None, [f"n {short_count(score.samples)}", score.note]))


def short_count(number: int) -> str:
    """A count in at most five characters: "4,812", "48k", "2.9M"."""
    if number < 10_000:
        return fmt.count(number)
    if number < 999_500:
        return f"{number / 1000:.0f}k"
    return f"{number / 1e6:.1f}M" if number < 99.5e6 else f"{number / 1e6:.0f}M"
