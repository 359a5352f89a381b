"""The content of the drift screen: every feature by variant, and the distributions and history of one feature. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.text import Text

from backends.contracts import Direction, DriftScore
from shiftdeck.common.durations import age
from shiftdeck.fleet.endpoint import EndpointView
from shiftdeck.health import drift_help
from shiftdeck.health.drift import Finding, figure, findings, number, severity, told_apart
from shiftdeck.history.charts import Mark
from shiftdeck.history.drift_history import DriftHistory
from tui.render.columns import Column, grid
from tui.render.drift import short_count
from tui.render.line_chart import Curve, Frame, chart_lines, nice_top
from tui.render.text import beside, hang, wrap
from tui.render.theme import Look

INDENT = 10
WIDEST_BAR = 28
HISTORY_ROWS = 9
SIDE_BY_SIDE_FROM = 120


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """The scores of one feature by one method, by variant. ``key`` is the same in every view."""

    key: str
    feature: str
    scores: Mapping[str, DriftScore]
    finding: Finding | None

    @property
    def worst(self) -> DriftScore:
        return max(self.scores.values(), key=severity)


def feature_rows(selected: EndpointView) -> list[FeatureRow]:
    """The features, worst first: drifted ones, then ones without a score, then the others."""
    found = {finding.feature: finding for finding in findings(selected.drift)}
    grouped: dict[tuple[str, str, str], dict[str, DriftScore]] = {}
    for score in selected.drift:
        # Two sources may score the same feature by the same method against different references.
        against = score.baseline.split(" ")[0]
        grouped.setdefault((score.feature, score.method, against), {})[score.subject.variant] = score
    rows = [
        FeatureRow("|".join(key), key[0], scores, found.get(key[0]) if _alarms(scores) else None)
        for key, scores in grouped.items()
    ]
    return sorted(rows, key=lambda row: (_rank(row), -severity(row.worst), row.key))


def _alarms(scores: Mapping[str, DriftScore]) -> bool:
    return any(score.crossed for score in scores.values())


def _rank(row: FeatureRow) -> int:
    if _alarms(row.scores):
        return 0
    return 1 if any(score.value is None for score in row.scores.values()) else 2


def summary(rows: Sequence[FeatureRow]) -> str:
    """ "2 of 5 drifted, worst amount · 1 without a score"."""
    drifted = [row for row in rows if _rank(row) == 0]
    lacking = [row for row in rows if any(score.value is None for score in row.scores.values())]
    words = f"{len(drifted)} of {len(rows)} drifted" + (f", worst {drifted[0].feature}" if drifted else "")
    return words + (f" · {len(lacking)} without a score" if lacking else "")


# ── all features ────────────────────────────────────────────────────────────────────────────────────────────────


def table(rows: Sequence[FeatureRow], variants: Sequence[str], look: Look, width: int) -> tuple[Text, list[Text]]:
    """The headings, and a line for each feature."""
    columns = (
        Column(),
        Column("feature"),
        Column("method", rank=3),
        *(Column(name, right=True) for name in variants),
        Column("since", rank=2),
        Column("who sees it", rank=1, flexible=True, least=12),
    )
    cells = []
    for row in rows:
        symbol, style = _sign(row, look)
        since = row.finding.since if row.finding else None
        cells.append(
            (
                look.text((symbol, style)),
                look.text((row.feature, "strong" if row.finding else "text")),
                look.text((row.worst.method, "muted")),
                *(_cell(row.scores.get(name), look) for name in variants),
                look.text((clock(since) if since is not None else "", "text")),
                look.text((_who(row), "text" if row.finding else "muted")),
            )
        )
    lines = grid(columns, cells, width, look, heads=True)
    return (lines[0], lines[1:]) if lines else (Text(), [])


def _sign(row: FeatureRow, look: Look) -> tuple[str, str]:
    if _alarms(row.scores):
        return look.symbols.warning, "warning"
    if any(score.value is None for score in row.scores.values()):
        return look.symbols.nodata, "nodata"
    return look.symbols.ok, "warning" if any(score.watched for score in row.scores.values()) else "ok"


def _cell(score: DriftScore | None, look: Look) -> Text:
    if score is None:
        return look.text()
    if score.value is None:
        return look.text((str(score.gap or "no score"), "nodata"))
    sign = ">" if score.direction is Direction.ABOVE else "<"
    limit = f" {sign} {number(score.threshold, score.direction)}" if score.crossed else ""
    return look.text((f"{figure(score)}{limit}", "warning" if score.crossed or score.watched else "text"))


def _who(row: FeatureRow) -> str:
    if row.finding is not None:
        return told_apart(row.finding)
    return next((f"{name} {score.note}" for name, score in row.scores.items() if score.note), "")


# ── one feature ─────────────────────────────────────────────────────────────────────────────────────────────────


def detail(
    row: FeatureRow,
    styles: Mapping[str, str],
    marks: Sequence[Mark],
    now: float,
    look: Look,
    width: int,
    *,
    plot: bool,
    drift_history: DriftHistory | None = None,
) -> list[Text]:
    """The explanation, the distributions and the history of one feature. ``styles`` is by variant. Without ``plot``
    there is no chart."""
    lines = _told(row, now, look, width, drift_history)
    wide = width >= SIDE_BY_SIDE_FROM
    half = (width - 4) // 2 if wide else width
    bars = distributions(row, styles, look, half)
    rows = max(HISTORY_ROWS, len(bars) - 1) if wide else HISTORY_ROWS
    curves = history(row, styles, marks, now, look, half, rows) if plot else []
    if wide and bars and curves:
        return [*lines, Text(), *beside([bars, curves], [half, half], gap=4)]
    for block in (bars, curves):
        lines += [Text(), *block] if block else []
    return lines


def _told(row: FeatureRow, now: float, look: Look, width: int, drift_history: DriftHistory | None) -> list[Text]:
    score = row.worst
    lines: list[Text] = []

    def say(label: str, words: str, style: str = "text") -> None:
        if words:
            lines.extend(hang(look.text((label, "muted")), look.text((words, style)), width, INDENT))

    say("means", drift_help.meaning(score))
    say("where", drift_help.moved(score))
    if row.finding is not None:
        say("who", told_apart(row.finding), "warning")
    began = drift_help.onset(score)
    if began is not None and score.since is not None:
        first = len(score.times) > 1 and score.since <= score.times[0]
        crossed = f"crossed {clock(score.since)}{' or before' if first else ''}, {age(now - score.since)} ago"
        looks = f"; it looks back {age(score.window_s)}, so it began between {clock(began[0])} and {clock(began[1])}"
        say("when", crossed + (looks if score.window_s and not first else ""))
    if drift_history is not None and drift_history.lacking:
        by_reason: dict[str, list[str]] = {}
        for name, reason in drift_history.lacking.items():
            by_reason.setdefault(reason, []).append(name)
        why = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in by_reason.items())
        say("history", f"no older than this program: {why}", "muted")
    say("next", drift_help.next_step(score, row.finding), "strong")
    for name, one in row.scores.items():
        figures = (
            f"{one.method} {figure(one)} of {number(one.threshold, one.direction)}"
            if one.value is not None
            else one.note
        )
        live = f", n {short_count(one.samples)}" + (f" in {age(one.window_s)}" if one.window_s else "")
        against = f" against {one.baseline}" if one.baseline else ""
        other = f"; {number(one.beside, one.direction)} against {one.beside_name} now" if one.beside is not None else ""
        say(name or "all", f"{figures}{live}{against}{other}, computed {age(now - one.at)} ago", "muted")
    return lines


def distributions(row: FeatureRow, styles: Mapping[str, str], look: Look, width: int) -> list[Text]:
    """The live share of each bin drawn over the reference's share, a column for each variant. Shares above the
    reference and missing shares are marked."""
    shown = [one for one in row.scores.values() if one.live and len(one.live) == len(one.reference)]
    bins = shown[0].bounds or shown[0].categories if shown else ()
    shown = [one for one in shown if (one.bounds or one.categories) == bins][:3]
    if not shown or not bins:
        return []
    labels = _labels(shown[0])
    room = max(len(label) for label in labels)
    wide = min(WIDEST_BAR, (width - room - 12 * len(shown)) // len(shown))
    if wide < 4:
        return wrap(look.text(("too narrow for the distributions", "muted")), width)
    top = max(max(*one.live, *one.reference) for one in shown) or 1.0
    head = look.text((" " * room, "muted"))
    for one in shown:
        name = one.subject.variant or "live"
        head.append(f"  {name}".ljust(wide + 12), look[styles.get(name, "stable")])
    lines = [head]
    for at, label in enumerate(labels):
        line = look.text((label.rjust(room), "muted"))
        for one in shown:
            line.append("  ")
            line.append_text(_overlaid(one, at, top, wide, styles, look))
        lines.append(line)
    symbols = look.symbols
    key = look.text(
        (f"{symbols.bar} live  ", "muted"),
        (symbols.square, "warning"),
        (" more than in the reference  ", "muted"),
        (symbols.track, "text"),
        (" missing", "muted"),
    )
    return [*lines, key]


def _overlaid(score: DriftScore, at: int, top: float, wide: int, styles: Mapping[str, str], look: Look) -> Text:
    live, reference = score.live[at], score.reference[at]
    cells, marked = round(live / top * wide), round(reference / top * wide)
    both = min(cells, marked)
    more, missing = max(0, cells - marked), max(0, marked - cells)
    return look.text(
        (look.symbols.bar * both, styles.get(score.subject.variant, "stable")),
        (look.symbols.square * more, "warning"),
        (look.symbols.track * missing, "text"),
        " " * (wide - both - more - missing),
        (f"{live * 100:4.0f}%", "text"),
        (f"{reference * 100:4.0f}%", "muted"),
    )


def _labels(score: DriftScore) -> list[str]:
    if score.categories:
        return [name if len(name) <= 16 else f"{name[:15]}…" for name in score.categories]
    last = len(score.bounds) - 1
    return [
        f"> {score.bounds[at - 1]:g}" if at == last and at else f"≤ {bound:g}" for at, bound in enumerate(score.bounds)
    ]


def history(
    row: FeatureRow, styles: Mapping[str, str], marks: Sequence[Mark], now: float, look: Look, width: int, height: int
) -> list[Text]:
    """The chart of the scores over time, with the threshold as a line, and a mark where the first score crossed it."""
    known = [one for one in row.scores.values() if len(one.times) > 1]
    if not known or width < 24:
        return []
    since = min(one.times[0] for one in known)
    highest = max(max(*one.history, one.threshold * 1.2) for one in known)
    frame = Frame(since, max(now, since + 60.0), nice_top(highest), limit=known[0].threshold)
    crossed = row.finding.since if row.finding is not None else None
    own = [Mark(crossed, "crossed")] if crossed is not None and crossed > since else []
    curves = [
        Curve(
            styles.get(one.subject.variant, "stable"),
            list(zip(one.times, one.history, strict=True)),
            marker="*ox+"[at % 4],
        )
        for at, one in enumerate(known)
    ]
    return chart_lines(curves, frame, [*marks, *own], look, width, height)


def clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"
