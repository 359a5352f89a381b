"""The accelerators, the selected endpoint's first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.text import Text

from shiftdeck.common.durations import age
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from tui.render import format as fmt
from tui.render import source_status
from tui.render.columns import Column, grid
from tui.render.content import Content
from tui.render.theme import Look

if TYPE_CHECKING:
    from backends.contracts import Gpu

SQUARES = 10

FULL_MEMORY = 0.95
HOT_C = 85.0
"""From these values on, a device is close to running out of memory (used of total) or to throttling (°C)."""


def gpu(view: View, selected: EndpointView | None, look: Look, width: int) -> Content:
    """All accelerators that the sources report."""
    statuses = source_status.of_kind(view, "accelerators")
    lines = source_status.notes(statuses, view.at, look, width)
    own = of_endpoint(view.gpus, selected)
    if not view.gpus:
        lines += source_status.why_empty(statuses, "GPU data", "no GPU data: no source knows of any", look, width)
        return Content("GPU", Text(), lines)
    others = [gpu for gpu in view.gpus if gpu not in own]
    rows = gpu_lines([*own, *others], len(own), look, width, view.at)
    lines += rows if source_status.fresh(statuses) else source_status.aged(rows, look)
    return Content("GPU", _subtitle(view.gpus, own, selected, look), lines)


def pane(view: View, selected: EndpointView | None, look: Look, width: int, height: int) -> Content:
    """The pane of the main screen."""
    return gpu(view, selected, look, width)


def depends(view: View, selected: EndpointView | None) -> object:
    """All values that the pane depends on."""
    return selected.ref if selected else None, view.gpus, source_status.states(view, "accelerators")


def of_endpoint(gpus: Sequence[Gpu], selected: EndpointView | None) -> list[Gpu]:
    """The accelerators that the pods of the endpoint hold, in the given order."""
    if selected is None:
        return []
    scopes = ("", selected.ref.scope)
    name = selected.ref.name
    return [one for one in gpus if any(who.endpoint == name and who.scope in scopes for who in one.subjects)]


def _subtitle(gpus: Sequence[Gpu], own: Sequence[Gpu], selected: EndpointView | None, look: Look) -> Text:
    words = f"{len(own)} of {len(gpus)}" if own else f"{len(gpus)}"
    if own and selected is not None:
        words += f" {look.symbols.dot} {selected.ref.name} first"
    elif selected is not None:
        words += f" {look.symbols.dot} none of {selected.ref.name}"
    text = look.text((words, "muted"))
    if any(one.simulated for one in gpus):
        text.append(f" {look.symbols.dot} sim", look["muted"])
    return text


def gpu_lines(gpus: Sequence[Gpu], own: int, look: Look, width: int, now: float) -> list[Text]:
    """A row for each device. The first ``own`` devices belong to the endpoint and are highlighted."""
    rows = [_row(one, look, now, mine=number < own) for number, one in enumerate(gpus)]
    columns = (
        Column(),
        Column(rank=4),
        Column(),
        Column(right=True),
        Column(right=True, rank=1),
        Column(right=True, rank=2),
        Column(rank=5, flexible=True, least=16),
    )
    return grid(columns, rows, width, look)


def short_model(name: str) -> str:
    """ "A100" from "NVIDIA A100-SXM4-80GB"."""
    plain = name.removeprefix("NVIDIA ").removeprefix("Tesla ")
    return plain.split("-")[0].strip() or plain


def _row(one: Gpu, look: Look, now: float, *, mine: bool) -> tuple[Text, ...]:
    full = bool(one.memory_total) and (one.memory_used or 0) / (one.memory_total or 1) >= FULL_MEMORY
    hot = one.temperature is not None and one.temperature >= HOT_C
    level = "critical" if one.fault else "warning" if full or hot else "ok"
    squares = 0 if one.utilisation is None else round(min(100.0, one.utilisation) / 100.0 * SQUARES)
    bar = look.text((look.symbols.square * squares, level), (" " * (SQUARES - squares), "faint"))
    if one.fault:
        # A short form replaces the bar. The last column has the full text.
        bar = look.text((fmt.fit(one.fault.partition(":")[0], SQUARES, look.symbols.ellipsis), "critical"))
    percent = fmt.DASH if one.utilisation is None else f"{one.utilisation:.0f}%"
    temperature = fmt.DASH if one.temperature is None else f"{one.temperature:.0f}°"
    plain = "text" if mine else "muted"
    return (
        look.text((f"{one.node}/{one.index}", "critical" if one.fault else plain)),
        look.text((short_model(one.model), "muted")),
        bar,
        look.text((percent, "critical" if one.fault else plain)),
        look.text((fmt.gibibytes(one.memory_used, one.memory_total), "warning" if full else plain)),
        look.text((temperature, "warning" if hot else plain)),
        look.text((one.fault, "critical")) if one.fault else look.text((_remarks(one, look, now), "muted")),
    )


def _remarks(one: Gpu, look: Look, now: float) -> str:
    """More about a device without a fault: who shares it, errors of the past, and the processes on it."""
    words = []
    if len(one.subjects) > 1:
        words.append("shared: " + ", ".join(f"{who.endpoint} {who.variant}".rstrip() for who in one.subjects))
    if one.xid:
        when = f"{age(now - one.xid_at)} ago" if one.xid_at is not None else "when is not known"
        words.append(f"last XID {one.xid}, {when}")
    if one.ecc:
        words.append(f"ecc {one.ecc}")
    if one.remapped:
        words.append(f"{one.remapped} rows remapped")
    for process in one.processes:
        held = "" if process.memory is None else f" {process.memory / 2**30:.0f}G"
        words.append(f"{process.name or process.pid}{held}")
    return f" {look.symbols.dot} ".join(words)
