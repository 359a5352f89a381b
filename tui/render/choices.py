"""The rows of the choosers: releases, variants, contexts, drills. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.text import Text

from backends.contracts import Drill, Release
from shiftdeck.changes.way_back import ROLLED_BACK
from shiftdeck.common.durations import age, format_duration
from shiftdeck.config.loader import Access, Config
from shiftdeck.fleet.endpoint import EndpointView, VariantView
from shiftdeck.health.latency import p95_of
from tui.render import format as fmt
from tui.render.columns import Column, grid
from tui.render.text import line
from tui.render.theme import Look


@dataclass(frozen=True, slots=True)
class Row:
    """One choice. ``cells`` are its columns. ``refused`` says why it cannot be chosen, or is ""."""

    key: str
    cells: tuple[Text, ...]
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Choices:
    """The rows with their columns. ``empty`` is shown if there are no rows."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str = "there is nothing to choose from"


def table(choices: Choices, look: Look, width: int) -> list[Text]:
    """The line of headings, then a line for each row."""
    if not choices.rows:
        return [Text(), look.text((f" {choices.empty}", "muted"))]
    lines = grid(choices.columns, [row.cells for row in choices.rows], width - 1, look, heads=True)
    return [line(Text(" "), one) for one in lines]


RELEASES = (
    Column("release"),
    Column("", rank=1),
    Column("age", right=True),
    Column("by", rank=3),
    Column("traffic"),
    Column("note", rank=5, flexible=True, least=12),
)
VARIANTS = (
    Column("variant"),
    Column("role", rank=1),
    Column("model", rank=3),
    Column("aliases", rank=6),
    Column("weight", right=True, rank=2),
    Column("p95", right=True, rank=4),
    Column("errors", right=True, rank=4),
    Column("ready", right=True, rank=5),
)
DRILLS = (Column("drill"), Column(""), Column("what happens", rank=1, flexible=True, least=12))
CONTEXTS = (Column("context"), Column(""), Column("changes", rank=1), Column("sources", rank=2, flexible=True))


def releases(view: EndpointView, now: float, look: Look) -> Choices:
    """Every release, newest first, with its state. The current one cannot be chosen."""
    return Choices(RELEASES, tuple(_release(release, view, now, look) for release in view.endpoint.releases))


def _release(release: Release, view: EndpointView, now: float, look: Look) -> Row:
    condemned = view.verdict.condemned()
    faulty = [name for name, weight in release.weights.items() if weight > 0 and name in condemned]
    if release.current:
        state = look.text(("current", "strong"))
    elif release.good is False:
        why = "rolled back from" if ROLLED_BACK in (release.why or ROLLED_BACK) else release.why
        state = look.text((f"{look.symbols.blocked} {why}", "critical"))
    elif faulty:
        state = look.text((f"{look.symbols.warning} uses {', '.join(faulty)}", "warning"))
    else:
        state = look.text((f"{look.symbols.passed} good", "ok") if release.good else ("not vouched for", "muted"))
    cells = (
        look.text((release.id, "strong")),
        state,
        look.text(age(now - release.at) if release.at is not None else fmt.DASH),
        look.text(release.by or fmt.DASH),
        split_text(release.weights, view, look),
        look.text((release.note, "muted")),
    )
    return Row(release.id, cells, "this is the current release" if release.current else "")


def split_text(weights: Mapping[str, float], view: EndpointView, look: Look) -> Text:
    """Weights as "v7 90 · v8 10", in the colours of the variants' roles. Variants without traffic are left out."""
    made = look.text()
    for name, weight in weights.items():
        if weight <= 0:
            continue
        if made.cell_len:
            made.append_text(look.text((f" {look.symbols.dot} ", "muted")))
        found = view.variant(name)
        made.append_text(look.text((f"{name} ", look.role(found.variant.role) if found else "text"), fmt.share(weight)))
    return made


def variants(views: Sequence[VariantView], look: Look) -> Choices:
    """The variants to promote, or to mirror to."""
    return Choices(VARIANTS, tuple(Row(view.name, _variant(view, look)) for view in views))


def _variant(view: VariantView, look: Look) -> tuple[Text, ...]:
    variant, metrics = view.variant, view.metrics or view.mirrored
    style = look.role(variant.role)
    aliases = " ".join(f"@{alias}" for alias in view.version.aliases) if view.version else ""
    return (
        look.text((variant.name, style)),
        look.text((str(variant.role), style)),
        look.text(str(variant.model) if variant.model else fmt.DASH),
        look.text((aliases, "muted")),
        look.text(f"{fmt.share(variant.desired)} %" if variant.desired is not None else fmt.DASH),
        look.text(fmt.quantile(p95_of(metrics))),
        look.text(fmt.ratio(metrics.error_ratio if metrics else None)),
        look.text(fmt.replicas(variant.ready, variant.wanted)),
    )


def drills(found: Sequence[Drill], now: float, look: Look) -> Choices:
    """The drills, each with whether it runs."""
    rows = []
    for drill in found:
        running = f"running {age(now - drill.since)}" if drill.running and drill.since is not None else "running"
        state = (
            (f"{look.symbols.source_on} {running}", "warning") if drill.running else (look.symbols.source_off, "muted")
        )
        cells = (look.text((drill.name, "strong")), look.text(state), look.text((drill.summary, "text")))
        rows.append(Row(drill.name, cells))
    return Choices(DRILLS, tuple(rows), "no rehearsal world is configured: shiftdeck demo has one")


def contexts(config: Config, current: str, look: Look) -> Choices:
    """The contexts, each with its access."""
    words = {Access.READ_ONLY: "read-only", Access.ARM: "read-only until armed", Access.READ_WRITE: "read-write"}
    rows = []
    for name, context in config.contexts.items():
        kind = (" PRODUCTION ", "production") if context.production else ("not production", "muted")
        access = words[context.access]
        if context.access is Access.ARM:
            access += f", {format_duration(context.arm_for_s)} at a time"
        sources = ", ".join(dict.fromkeys(source.name for source in context.sources))
        cells = (look.text((name, "strong")), look.text(kind), look.text(access), look.text((sources, "muted")))
        rows.append(Row(name, cells, "this is the context you are in" if name == current else ""))
    return Choices(CONTEXTS, tuple(rows))
