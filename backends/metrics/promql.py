"""Writes PromQL: from a preset to queries over the whole fleet.

https://prometheus.io/docs/prometheus/latest/querying/basics/. If a label is the name of a variant, the query groups by
it. If the name is only a part of a label, ``label_replace`` copies that part into a label of this program's own. So the
server adds up the series of a variant, and returns one series for each variant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from backends.contracts import Subject
from backends.metrics.preset import ROLES, TRUE, LabelRule, Preset, name_in

OURS = "shiftdeck_"  # prefix of the labels that this program adds
TARGET = "instance,job"  # the labels of a target that Prometheus gives to all its series
BEFORE_S = 300.0  # a series without a sample for so long is gone, as for Prometheus' own lookback

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
    """Matchers for the series of one subject; ``None`` if this preset cannot have series of it. They may match more:
    the subjects of what is found have to be compared."""
    made: list[tuple[str, str, str]] = []
    named = {"endpoint": subject.endpoint, "variant": subject.variant, "scope": subject.scope}
    for role, value in named.items():
        rule = preset.rule(role)
        if not value or rule.other is not None:  # a selector knows no "or": what is found has to be looked through
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
        for number, rule in enumerate(preset.rule(role).chain()):
            if rule.label:
                label = label_of(role, rule, number)
                labels.append(label)
                if label != rule.label:
                    parts = (expression, quoted(label), '"$1"', quoted(rule.label), quoted(rule.regex))
                    expression = f"label_replace({','.join(parts)})"
    kept = ",".join(dict.fromkeys((*labels, *(one for one in more if one))))
    return f"{aggregate} by ({kept}) ({expression})"


def label_of(role: str, rule: LabelRule, number: int = 0) -> str:
    """The label that holds the name for that role in an answer to ``by``. ``number`` counts the rules of a role."""
    return rule.label if rule.whole else f"{OURS}{role}{number or ''}"


class Owners:
    """Maps the labels of a series in an answer to ``by`` to its subject, and to whether its requests are mirrored.

    A fleet has tens of thousands of series, which repeat the names of variants. So each combination is computed once.
    """

    def __init__(self, preset: Preset) -> None:
        self._rules = tuple(
            tuple((label_of(role, rule, number), rule.fixed) for number, rule in enumerate(preset.rule(role).chain()))
            for role in ROLES
        )
        self._labels = tuple(dict.fromkeys(label for rules in self._rules for label, _ in rules))
        self._known: dict[tuple[str | None, ...], tuple[Subject, bool]] = {}

    def __call__(self, labels: Mapping[str, str]) -> tuple[Subject, bool]:
        raw = tuple(map(labels.get, self._labels))
        found = self._known.get(raw)
        if found is None:
            endpoint, variant, scope, mirrored = (self._name(rules, labels) for rules in self._rules)
            found = self._known[raw] = Subject(endpoint, variant, scope), mirrored.lower() in TRUE
        return found

    def _name(self, rules: tuple[tuple[str, str], ...], labels: Mapping[str, str]) -> str:
        names = (fixed or name_in(labels.get(label, "")) for label, fixed in rules)
        return next((name for name in names if name), "")


def matches(subject: Subject, asked: Subject) -> bool:
    """Whether a subject is the one that is asked for; there, "" stands for any variant and scope."""
    return (
        subject.endpoint == asked.endpoint
        and asked.variant in ("", subject.variant)
        and asked.scope in ("", subject.scope)
    )


def before(series: str, seconds: float) -> str:
    """A selector as it was so many seconds ago."""
    return f"{series} offset {duration(seconds)}" if seconds else series


def growth(series: str, window_s: float, *, new: bool) -> str:
    """The growth of each counter of a selector in the last ``window_s`` seconds.

    ``increase`` takes the first sample of a series as its beginning. So it loses whatever a new series (the first error
    of a canary) had counted by then, which can be all. With ``new``, a series that begins in the window counts from 0
    where that is known: its target was scraped before without it, or the target's process began in the window. It has
    no sample in ``BEFORE_S`` before the window, so that one which comes and goes is not taken for a new one.
    """
    over = f"{series}[{duration(window_s)}]"
    grown = f"increase({over})"
    if not new:
        return grown
    first = f"(max_over_time({over}) {_unless_old(series, window_s)} unless resets({over}) > 0)"
    return f"(({first} and {_known_start(series, window_s)}) or {grown})"


def newcomers(series: str, window_s: float) -> str:
    """The series that began in the window, by instant samples alone: cheap enough to be asked each time."""
    return f"({series} unless {series} offset {duration(window_s)})"


def unknown_starts(series: str, window_s: float) -> str:
    """The new series whose first value ``growth`` cannot count: nothing tells what they counted before the window."""
    return f"(({series} {_unless_old(series, window_s)}) unless {_known_start(series, window_s)})"


def _unless_old(series: str, window_s: float) -> str:
    before = duration(max(window_s, BEFORE_S))
    return f"unless count_over_time({series}[{before}] offset {duration(window_s)})"


def _known_start(series: str, window_s: float) -> str:
    window = duration(window_s)
    counted = f"count_over_time({series}[{window}])"
    # The lowest number of scrapes, where several targets share these labels (replicas of a server, several clusters).
    scraped = f"min by ({TARGET}) (sum_over_time(up[{window}]))"
    absent = f"{counted} < on ({TARGET}) group_left () {scraped}"
    target = f"(up offset {window} == 1 or process_start_time_seconds > time() - {window_s:g})"
    return f"(({absent}) or ({counted} and on ({TARGET}) {target}))"
