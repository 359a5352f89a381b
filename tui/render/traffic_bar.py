"""The split of the traffic as a bar and as text, coloured by variant. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from backends.contracts import Role
from tui.render import format as fmt
from tui.render.theme import Look

if TYPE_CHECKING:
    from backends.contracts import Variant


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the bar. A ``moving`` part is still served by one variant, and desired for another."""

    style: str
    percent: float
    moving: bool = False


def variant_styles(variants: Sequence[Variant], look: Look) -> dict[str, str]:
    """The style name by variant. Two styles alternate for candidates, so that neighbours differ."""
    styles: dict[str, str] = {}
    candidates = 0
    for variant in variants:
        styles[variant.name] = look.role(variant.role)
        if variant.role is Role.CANDIDATE:
            candidates += 1
            styles[variant.name] = "candidate" if candidates % 2 else "candidate2"
    return styles


def parts(variants: Sequence[Variant], look: Look) -> list[Part]:
    """The parts of the observed split. Traffic that will move is a part of its own, in the colour of the variant that
    will get it.

    Empty if the control plane reports no weights.
    """
    live = [variant for variant in variants if variant.role is not Role.SHADOW and variant.observed is not None]
    if not live:
        return []
    styles = variant_styles(variants, look)
    gaining = next((v.name for v in live if v.desired is not None and v.desired > (v.observed or 0.0)), None)
    found = []
    for variant in live:
        observed = variant.observed or 0.0
        staying = observed if variant.desired is None else min(observed, variant.desired)
        found.append(Part(styles[variant.name], staying))
        found.append(Part(styles[gaining] if gaining else styles[variant.name], observed - staying, moving=True))
    return [part for part in found if part.percent > 0]


def bar(variants: Sequence[Variant], width: int, look: Look) -> Text:
    """The bar, ``width`` columns wide. A part with any traffic has at least one column. A seam divides the parts."""
    line = Text(no_wrap=True, end="")
    split = parts(variants, look)
    if not split:
        line.append(look.symbols.track * width, look["faint"])
        return line
    symbols = look.symbols
    for number, (part, columns) in enumerate(zip(split, apportion([p.percent for p in split], width), strict=True)):
        if columns <= 0:
            continue
        if part.moving:
            line.append(symbols.transit * columns, look[part.style])
        else:
            seam = symbols.bar_thin if number else symbols.bar
            line.append(seam + symbols.bar * (columns - 1), look[part.style])
    return line


def apportion(percents: Sequence[float], width: int) -> list[int]:
    """Whole columns that sum to ``width`` and are as near to the percentages as possible, at least one for each
    percentage above 0.

    The largest parts give up columns for the smallest ones.
    """
    total = sum(percents)
    if total <= 0 or width <= 0:
        return [0] * len(percents)
    exact = [percent / total * width for percent in percents]
    columns = [max(1, int(value)) if percent > 0 else 0 for percent, value in zip(percents, exact, strict=True)]
    by_remainder = sorted(range(len(exact)), key=lambda i: exact[i] - int(exact[i]), reverse=True)
    for index in by_remainder:
        if sum(columns) >= width:
            break
        if percents[index] > 0:
            columns[index] += 1
    while sum(columns) > width:
        largest = max(range(len(columns)), key=lambda i: columns[i])
        columns[largest] -= 1
    return columns


def text(variants: Sequence[Variant], look: Look, *, tight: bool = False) -> Text:
    """ "v7 90 · v8 10", or "v7 90→75 · v8 10→25" while the split changes. Variants without traffic are left out."""
    styles = variant_styles(variants, look)
    pieces = [piece for variant in variants if (piece := _piece(variant, styles[variant.name], look)) is not None]
    if not pieces:
        return look.text(("no traffic", "muted"))
    line = Text(no_wrap=True, end="")
    for number, piece in enumerate(pieces):
        if number:
            line.append(" " if tight else f" {look.symbols.dot} ", look["faint"])
        line.append_text(piece)
    return line


def _piece(variant: Variant, style: str, look: Look) -> Text | None:
    if variant.role is Role.SHADOW:
        return look.text((f"{variant.name} shadow {fmt.share(variant.mirror)}", style))
    if not variant.observed and not variant.desired and (variant.observed, variant.desired) != (None, None):
        return None
    shown = fmt.share(variant.observed)
    if variant.desired is not None and variant.desired != variant.observed:
        shown = f"{shown}{look.symbols.arrow}{fmt.share(variant.desired)}"
    return look.text((variant.name, style), (f" {shown}", "text"))
