"""Two versions of a model side by side: their metrics, parameters, signature, tags and lineage."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from backends.contracts import Adapter, Column, Describes, ModelRef, ModelVersion, Signature
from backends.errors import BackendError, Rejected
from shiftdeck.common.numbers import endless
from shiftdeck.fleet.view import FleetView
from shiftdeck.registry.schema import Fit, compared

NUMBER = re.compile("v?[0-9]+")
"""How a version is named that is not among those that were read."""


class Part(StrEnum):
    """The parts of the comparison, in the order in which they are shown."""

    METRICS = "metrics"
    PARAMS = "params"
    SIGNATURE = "signature"
    TAGS = "tags"
    LINEAGE = "lineage"


@dataclass(frozen=True, slots=True)
class Row:
    """One field of both versions, as text; "" for a version without it. ``change`` says how the two differ, "": they do
    not. For numbers it is the difference. For columns it says whether callers of the old version fit the new one."""

    part: Part
    name: str
    old: str
    new: str
    change: str = ""

    @property
    def differs(self) -> bool:
        return bool(self.change)


def side_by_side(old: ModelVersion, new: ModelVersion) -> tuple[Row, ...]:
    """All rows of both versions, by part; in each part the rows that differ come first. Pure."""
    rows = [
        *(_metric(name, old.metrics, new.metrics) for name in _names(old.metrics, new.metrics)),
        *_texts(Part.PARAMS, old.params, new.params),
        *_signature(old, new),
        *_texts(Part.TAGS, old.tags, new.tags),
        *_texts(Part.LINEAGE, _lineage(old), _lineage(new)),
    ]
    order = list(Part)
    return tuple(sorted(rows, key=lambda row: (order.index(row.part), not row.differs)))


def describe(view: FleetView, adapters: Callable[[str, str], Adapter], ref: ModelRef) -> ModelVersion:
    """Everything that its registry knows of a version, asked now. If the registry cannot be asked, the version as last
    read, with the reason in ``signature_note``. ``adapters`` returns an adapter by kind and source. May block: do not
    call it on the UI's thread.

    Raises:
        Rejected: no registry knows the version.
    """
    known = next((one for one in view.versions if one.ref == ref), None)
    source = view.registry_of.get(ref.model)
    adapter: object = adapters("registries", source) if source is not None else None
    if not isinstance(adapter, Describes):
        return replace(known or find(view, ref.model, ref.version), signature_note="its registry does not tell")
    if known is None:
        try:
            return adapter.describe(ref)
        except Rejected:
            return find(view, ref.model, ref.version)
    try:
        return adapter.describe(known.ref)
    except BackendError as error:
        return replace(known, signature_note=error.message)


def named(view: FleetView, model: str, version: str) -> ModelVersion:
    """The version of that number, or with that alias ("@champion"). A number may be older than what is read of its
    model: then only its name is known here, and its registry has to say whether there is such a version.

    Raises:
        Rejected: there is no such alias or model.
    """
    try:
        return find(view, model, version)
    except Rejected:
        if model not in view.registry_of or not NUMBER.fullmatch(version):
            raise
        return ModelVersion(ModelRef(model, version.removeprefix("v")), absent="not read")


def find(view: FleetView, model: str, version: str) -> ModelVersion:
    """The version of that number, or with that alias ("@champion").

    Raises:
        Rejected: there is none; the hint names the versions or models that exist.
    """
    of_model = [one for one in view.versions if one.ref.model == model]
    for one in of_model:
        if version in (one.ref.version, f"v{one.ref.version}") or version.removeprefix("@") in one.aliases:
            return one
    if not of_model:
        names = ", ".join(sorted({one.ref.model for one in view.versions})[:20]) or "none"
        raise Rejected(f"no version of a model {model!r} was read", hint=f"there are versions of {names}")
    names = ", ".join(one.ref.version for one in of_model[:20])
    raise Rejected(f"{model} has no version {version!r} that was read", hint=f"its versions are {names}")


# ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _names(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    return sorted({*old, *new})


def _metric(name: str, old: Mapping[str, float], new: Mapping[str, float]) -> Row:
    before, after = old.get(name), new.get(name)
    row = Row(Part.METRICS, name, _number(before), _number(after))
    if before is None or after is None:
        return replace(row, change="new" if before is None else "gone")
    if before == after or (math.isnan(before) and math.isnan(after)):
        return row
    if endless(before) or endless(after):
        return replace(row, change="changed")
    difference = after - before
    relative = f" ({difference / abs(before):+.1%})" if before and math.isfinite(difference) else ""
    return replace(row, change=f"{difference:+.4g}{relative}")


def _number(value: float | None) -> str:
    return "" if value is None else endless(value) or f"{value:.6g}"


def _texts(part: Part, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Row]:
    for name in _names(old, new):
        before, after = old.get(name), new.get(name)
        change = "" if before == after else "new" if before is None else "gone" if after is None else "changed"
        yield Row(part, name, before or "", after or "", change)


def _signature(old: ModelVersion, new: ModelVersion) -> Iterator[Row]:
    mine, theirs = new.signature, old.signature
    if mine is None or theirs is None:
        before, after = _known(old), _known(new)
        yield Row(Part.SIGNATURE, "signature", before, after, "" if before == after else "cannot be compared")
        return
    differences = {(one.part, one.column): one for one in compared(theirs, mine)}
    were, are = _columns(theirs), _columns(mine)
    for key in dict.fromkeys([*were, *are]):
        found = differences.get(key)
        words = "" if found is None else "does not fit" if found.fit is Fit.BROKEN else "fits"
        if found is not None and found.fit is Fit.LOOSE:
            words = "no longer taken"
        yield Row(Part.SIGNATURE, " ".join(key), were.get(key, ""), are.get(key, ""), words)


def _known(version: ModelVersion) -> str:
    if version.signature is not None:
        return f"{len(version.signature.inputs)} inputs, {len(version.signature.outputs)} outputs"
    return version.signature_note or "none"


def _columns(signature: Signature) -> dict[tuple[str, str], str]:
    parts: Sequence[tuple[str, tuple[Column, ...]]] = (
        ("input", signature.inputs),
        ("output", signature.outputs),
        ("parameter", signature.params),
    )
    return {
        (part, one.name): one.type if one.required else f"{one.type}, optional" for part, some in parts for one in some
    }


def _lineage(version: ModelVersion) -> dict[str, str]:
    told = {
        "aliases": " ".join(f"@{alias}" for alias in version.aliases),
        "author": version.author,
        "code": version.code,
        "commit": version.commit,
        "description": version.description,
        "run": version.run or "",
        "source": version.source,
        "stage": version.stage or "",
        "status": version.status,
        **{f"dataset {one.name} ({one.context or 'read'})": one.digest or "-" for one in version.datasets},
    }
    return {name: text for name, text in told.items() if text}
