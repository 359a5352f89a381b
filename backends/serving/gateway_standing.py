"""What the parents of an HTTPRoute answer, and for which generation. Pure.

A condition proves something only of the generation that it names. Some controllers name none, 0, or one that was made
up: whether such a route is in effect is not known, and only metrics can tell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from backends.contracts import Phase
from backends.platforms.kubernetes.objects import (
    Condition,
    Object,
    conditions,
    dig,
    generation_of,
    items,
    key_of,
    text,
)

WANTED = ("Accepted", "ResolvedRefs")


@dataclass(frozen=True, slots=True)
class Standing:
    """The answers of a route's parents. ``taken`` is true once all parents have accepted the newest generation;
    ``refused`` is true if one parent has refused it. ``untold``: nobody refuses it or has yet to answer, but at least
    one controller does not tell which generation it answers for."""

    taken: bool
    refused: bool
    message: str
    untold: bool = False


def standing_of(route: Object) -> Standing:
    """The answers of all parents about the newest generation."""
    wanted = items(route, "spec", "parentRefs")
    if not wanted:
        return Standing(False, True, "the route has no parent")
    namespace, _ = key_of(route)
    told: dict[tuple[str, ...], list[Said]] = {}
    for one in items(route, "status", "parents"):
        if "parentRef" in one:
            told.setdefault(_parent(one["parentRef"], namespace), []).append(conditions(one, "conditions"))
    refused: list[str] = []
    waiting: list[str] = []
    untold: list[str] = []
    for ref in wanted:
        name = text(ref, "name") or "?"
        answer = _answer(told.get(_parent(ref, namespace), []), generation_of(route) or 0)
        {"no": refused, "yet": waiting, "untold": untold}.get(answer.kind, []).append(f"{name}{answer.words}")
    if refused or waiting:
        return Standing(False, bool(refused), "; ".join([*refused, *waiting]))
    if untold:
        return Standing(False, False, "; ".join(untold), untold=True)
    return Standing(True, False, f"accepted by {', '.join(text(ref, 'name') for ref in wanted)}")


def phase_of(standing: Standing, route: Object) -> tuple[Phase, str]:
    if standing.taken:
        return Phase.STEADY, ""
    if standing.refused:
        return Phase.DEGRADED, standing.message
    if standing.untold:
        return Phase.STEADY, standing.message
    if not items(route, "status", "parents"):
        return Phase.UNKNOWN, standing.message
    return Phase.PROGRESSING, standing.message


Said = Mapping[str, Condition]
UNTOLD = "does not tell which generation it answers for"


class Answer(NamedTuple):
    """``kind`` is "yes", "no", "yet" or "untold"; ``words`` follow the parent's name."""

    kind: str
    words: str = ""


def _answer(answers: Sequence[Said], generation: int) -> Answer:
    """The answer of one parent. Several controllers may give one, and one that is gone leaves its old answer behind."""
    current = [{kind: one for kind, one in said.items() if one.observed_generation == generation} for said in answers]
    for said in current:
        if no := _refusal(said):
            return Answer("no", f": {_shown(no)}")
    if any(all(kind in said and said[kind].ok for kind in WANTED) for said in current):
        return Answer("yes")
    dumb = [said for said in answers if said and all(_names_none(one, generation) for one in said.values())]
    if dumb and not any(current):
        no = next((no for said in dumb if (no := _refusal(said))), None)
        return Answer("no", f": {_shown(no)}; it {UNTOLD}") if no else Answer("untold", f" {UNTOLD}")
    return Answer("yet", f" {_missing(answers, generation)}")


def _names_none(one: Condition, generation: int) -> bool:
    """Whether it names no generation that the object has had: the first is 1."""
    return not one.observed_generation or one.observed_generation > generation


def _refusal(said: Said) -> Condition | None:
    no = [one for kind in WANTED if (one := said.get(kind)) and one.ok is False]
    partly = said.get("PartiallyInvalid")
    return no[0] if no else partly if partly is not None and partly.ok else None


def _shown(no: Condition) -> str:
    return f"{no.type} is {no.ok}: {no.message or no.reason}"


def _missing(answers: Sequence[Said], generation: int) -> str:
    """How far a parent is that has not accepted the newest generation."""
    told = [one.observed_generation for said in answers for one in said.values() if one.observed_generation]
    known = [one for one in told if one <= generation]
    if not any(answers):
        return "has not answered"
    if not known:
        return UNTOLD
    seen = max(known)
    return "has not decided yet" if seen == generation else f"has answered for generation {seen} of {generation}"


def _parent(ref: object, namespace: str) -> tuple[str, ...]:
    return (
        text(ref, "kind") or "Gateway",
        text(ref, "namespace") or namespace,
        text(ref, "name"),
        text(ref, "sectionName"),
        str(dig(ref, "port") or ""),
    )
