"""Writes PromQL: from a preset to queries over the whole fleet.

https://prometheus.io/docs/prometheus/latest/querying/basics/. If a label is the name of a variant, the query groups by
it. If the name is only a part of a label, ``label_replace`` copies that part into a label of this program's own. So the
server adds up the series of a variant, and returns one series for each variant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from backends.contracts import Subject
from backends.metrics.preset import ROLES, TRUE, LabelRule, Preset

OURS = "shiftdeck_"  # prefix of the labels that this program adds

Matchers = Iterable[tuple[str, str, str]]  # label, operator, value


def quoted(text: str) -> str:
    """A PromQL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def selector(names: str, matchers: Matchers = ()) -> str:
    """The selector for the series of a metric, or of several alternatives ("a|b")."""
    operator = "=~" if "|" in names else "="
    parts = [("__name__", operator, names), *matchers]
    return "{" + ",".join(f"{label}{operator}{quoted(value)}" for label, operator, value in parts) + "}"


def where(table: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Matchers from a preset's ``where``."""
    return [(label, "!~" if value.startswith("!") else "=~", value.removeprefix("!")) for label, value in table.items()]


def about(preset: Preset, subject: Subject) -> list[tuple[str, str, str]] | None:
    """Matchers for the series of one subject; ``None`` if this preset cannot have series of it."""
    made: list[tuple[str, str, str]] = []
    named = {"endpoint": subject.endpoint, "variant": subject.variant, "scope": subject.scope}
    for role, value in named.items():
        rule = preset.rule(role)
        if not value:
            continue
        if rule.fixed or not rule.label:
            # If no label gives the scope (endpoint, variant), this preset has no subject with that name.
            if rule.fixed != value:
                return None
        elif rule.whole:
            made.append((rule.label, "=", value))
        else:
            made.append((rule.label, "=~", rule.pattern.replace("{}", re.escape(value))))
    return made


def duration(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


def by(preset: Preset, aggregate: str, expression: str, *more: str) -> str:
    """``expression`` aggregated by endpoint, variant, scope, mirrored, and the labels ``more``."""
    labels: list[str] = []
    for role in ROLES:
        rule = preset.rule(role)
        if rule.label:
            label = label_of(role, rule)
            labels.append(label)
            if label != rule.label:
                parts = (expression, quoted(label), '"$1"', quoted(rule.label), quoted(rule.regex))
                expression = f"label_replace({','.join(parts)})"
    kept = ",".join(dict.fromkeys((*labels, *(one for one in more if one))))
    return f"{aggregate} by ({kept}) ({expression})"


def label_of(role: str, rule: LabelRule) -> str:
    """The label that holds the name for that role in an answer to ``by``."""
    return rule.label if rule.whole else OURS + role


class Owners:
    """Maps the labels of a series in an answer to ``by`` to its subject, and to whether its requests are mirrored.

    A fleet has tens of thousands of series, which repeat the names of variants. So each combination is computed once.
    """

    def __init__(self, preset: Preset) -> None:
        rules = [preset.rule(role) for role in ROLES]
        self._labels = tuple(label_of(role, rule) for role, rule in zip(ROLES, rules, strict=True))
        self._fixed = tuple(rule.fixed for rule in rules)
        self._known: dict[tuple[str | None, ...], tuple[Subject, bool]] = {}

    def __call__(self, labels: Mapping[str, str]) -> tuple[Subject, bool]:
        raw = tuple(map(labels.get, self._labels))
        found = self._known.get(raw)
        if found is None:
            endpoint, variant, scope, mirrored = (
                fixed or value or "" for fixed, value in zip(self._fixed, raw, strict=True)
            )
            found = self._known[raw] = Subject(endpoint, variant, scope), mirrored.lower() in TRUE
        return found
