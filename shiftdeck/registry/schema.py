"""Whether the callers of one model can call another one: the differences of their signatures, by column. Pure.

The rules are those by which MLflow enforces a signature (https://mlflow.org/docs/latest/ml/model/signatures/): a
required input must be there, an optional one may be missing, inputs beyond the signature are dropped, and integers and
floats are only ever widened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from backends.contracts import Column, Signature


class Fit(IntEnum):
    """How a difference affects callers that do not change; a larger number is worse."""

    SAME = 0
    WIDER = 1  # accepts or answers more: callers need no change
    LOOSE = 2  # callers still work if the server ignores inputs that it does not know
    BROKEN = 3


@dataclass(frozen=True, slots=True)
class SchemaDifference:
    """One difference: ``part`` is "input", "output" or "parameter", ``column`` its name."""

    part: str
    column: str
    fit: Fit
    words: str


_WIDER = {
    ("integer", "long"),
    ("integer", "double"),
    ("float", "double"),
}


def compared(old: Signature, new: Signature) -> tuple[SchemaDifference, ...]:
    """The differences that a caller of ``old`` meets at ``new``, by part and in the order of the columns."""
    return (
        *_part("input", old.inputs, new.inputs),
        *_part("output", old.outputs, new.outputs),
        *_part("parameter", old.params, new.params),
    )


def _part(part: str, old: Iterable[Column], new: Iterable[Column]) -> Iterator[SchemaDifference]:
    before, after = {one.name: one for one in old}, {one.name: one for one in new}
    for name in dict.fromkeys([*before, *after]):
        found = _difference(part, before.get(name), after.get(name))
        if found is not None:
            fit, words = found
            yield SchemaDifference(part, name, fit, f"{part} {name} {words}")


def _difference(part: str, old: Column | None, new: Column | None) -> tuple[Fit, str] | None:
    answers = part == "output"
    if old is None:
        assert new is not None
        if answers:
            return Fit.WIDER, f"is new: {new.type}"
        if new.required:
            return Fit.BROKEN, f"is new and required: {new.type}"
        return Fit.WIDER, f"is new and optional: {new.type}"
    if new is None:
        return (Fit.BROKEN, "is gone") if answers else (Fit.LOOSE, "is no longer taken")
    if old.type != new.type:
        widened = not answers and (old.type, new.type) in _WIDER
        return Fit.WIDER if widened else Fit.BROKEN, f"was {old.type} and is {new.type}"
    if old.required != new.required:
        worse = not new.required if answers else new.required
        return Fit.BROKEN if worse else Fit.WIDER, "is required now" if new.required else "is optional now"
    return None
