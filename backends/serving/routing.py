"""Routes that split by weight, for HTTPRoute and VirtualService: rules with backends, and mirrors. Pure.

One object may hold several rules. Rules that split between common backends belong together: they are one endpoint, and
one change rewrites all of them. A rule that sends everything to one of these backends (a header that selects the
canary, for example) is *pinned*: it is shown, but not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from backends.contracts import WEIGHT_TOLERANCE, Role, Variant
from backends.errors import Rejected
from backends.platforms.kubernetes.calls import add, expect
from backends.serving.backing import Backing
from backends.serving.split import roles
from backends.serving.weights import proportional, shares


@dataclass(frozen=True, slots=True)
class Backend:
    """A destination of requests. ``key`` identifies it. ``names`` are its possible names, from short to unambiguous.
    Backends of one ``family`` belong together, even if no rule names both. ``native`` is its form in a rule."""

    key: tuple[str, ...]
    names: tuple[str, ...]
    family: str
    native: Mapping[str, object] = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """One weighted entry of a rule, at the JSON pointer ``place``. ``checks`` are pointers below it with their values:
    a patch tests them, to find out whether it is still the same entry."""

    backend: Backend
    place: str
    weight: int
    checks: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Copies:
    """A mirror of a rule: ``percent`` of its requests are copied to ``backend``. ``form`` is the field that holds the
    percentage, or "" if there is none."""

    backend: Backend
    place: str
    percent: float
    form: str = ""
    checks: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """``place`` is the rule's JSON pointer, ``entries`` the pointer of its list of targets. ``matched`` is true if the
    rule applies only to some requests, and ``selective`` if it picks them by who sends them (by a header, for example)
    and not only by where they go: its split is then not the endpoint's."""

    label: str
    place: str
    entries: str
    targets: tuple[Target, ...]
    copies: tuple[Copies, ...] = ()
    matched: bool = False
    has_filters: bool = False
    selective: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """The rules and backends of one endpoint. ``names`` has a name for each backend; ``extras`` are backends that are
    in no rule's list of targets."""

    suffix: str
    rules: tuple[Rule, ...]
    pinned: tuple[Rule, ...]
    names: Mapping[Backend, str]
    extras: tuple[Backend, ...]

    @property
    def main(self) -> Rule:
        """The rule whose split is shown as the endpoint's: the first of those with the most backends."""
        return max(self.rules, key=lambda rule: len(rule.targets))

    @property
    def backends(self) -> tuple[Backend, ...]:
        """All backends that may get live traffic; the rules' own backends come first."""
        own = dict.fromkeys(target.backend for rule in (*self.rules, *self.pinned) for target in rule.targets)
        return tuple(own | dict.fromkeys(self.extras))

    def called(self, name: str) -> Backend:
        return next(backend for backend, one in self.names.items() if one == name)

    @property
    def weights(self) -> dict[str, float]:
        """Percent by name in the main rule, of all backends that may get live traffic."""
        of_main = rule_shares(self.main)
        return {self.names[backend]: of_main.get(backend, 0.0) for backend in self.backends}

    @property
    def mirrors(self) -> dict[str, float]:
        """Percent copied, by name, in the main rule, else in the first rule that copies to that backend."""
        found: dict[str, float] = {}
        for rule in (self.main, *self.rules):
            for copies in rule.copies:
                found.setdefault(self.names[copies.backend], copies.percent)
        return found

    @property
    def remarks(self) -> tuple[str, ...]:
        """Facts that the numbers do not show: rules with another split, and pinned rules."""
        main = rule_shares(self.main)
        other = [
            f"{rule.label} splits otherwise: "
            + ", ".join(f"{self.names[one]} {share:g} %" for one, share in rule_shares(rule).items())
            for rule in self.rules
            if rule is not self.main and not _agree(rule_shares(rule), main)
        ]
        return (*other, *(self._pinned_words(rule) for rule in self.pinned))

    def _pinned_words(self, rule: Rule) -> str:
        if len(rule.targets) == 1:
            return f"{rule.label} always goes to {self.names[rule.targets[0].backend]}"
        split = [f"{self.names[one]} {share:g} %" for one, share in rule_shares(rule).items() if share]
        return f"{rule.label} splits the requests that it picks, and is not changed: " + (", ".join(split) or "none")

    @property
    def picked(self) -> frozenset[str]:
        """The backends that get the requests that a selective rule picks: their share of all requests is not known."""
        return frozenset(
            self.names[one]
            for rule in self.pinned
            if rule.selective
            for one, share in rule_shares(rule).items()
            if share
        )

    @property
    def unanswered(self) -> str:
        """The rules whose weights are all 0, in words, or ""."""
        labels = [rule.label for rule in (*self.rules, *self.pinned) if not any(one.weight for one in rule.targets)]
        return f"all weights of {', '.join(labels)} are 0: no backend answers its requests" if labels else ""

    @property
    def twice(self) -> str:
        """The reason against a change if a rule names one backend twice, else ""."""
        for rule in self.rules:
            if len({target.backend for target in rule.targets}) < len(rule.targets):
                return f"{rule.label} names one backend twice: change it by hand"
        return ""


def rule_shares(rule: Rule) -> dict[Backend, float]:
    """Percent by backend. If a rule names one backend twice, both weights are added."""
    totals: dict[Backend, int] = {}
    for target in rule.targets:
        totals[target.backend] = totals.get(target.backend, 0) + target.weight
    return shares(totals)


def tables(rules: Sequence[Rule], extras: Sequence[Backend] = ()) -> tuple[Table, ...]:
    """The endpoints of these rules, in the order of their first rule. ``extras`` are further known backends, each of a
    family that a rule uses."""
    return _distinct([_table(together, extras) for together in _components([rule for rule in rules if rule.targets])])


def _distinct(made: Sequence[Table]) -> tuple[Table, ...]:
    """The tables with suffixes that differ: the same name may be behind two ports, or be a subset of two hosts."""
    found: dict[str, Table] = {}
    for one in made:
        free = (f"{one.suffix}.{number}" if number > 1 else one.suffix for number in range(1, len(made) + 1))
        suffix = next(name for name in free if name not in found)
        found[suffix] = replace(one, suffix=suffix)
    return tuple(found.values())


def _components(rules: Sequence[Rule]) -> Iterator[list[Rule]]:
    """Groups of rules that share a family, directly or through other rules."""
    left = list(rules)
    while left:
        together, families = [left.pop(0)], set[str]()
        while True:
            families = {target.backend.family for rule in together for target in rule.targets}
            more = [rule for rule in left if families & {target.backend.family for target in rule.targets}]
            if not more:
                break
            together += more
            left = [rule for rule in left if rule not in more]
        yield sorted(together, key=rules.index)


def _table(together: list[Rule], extras: Sequence[Backend]) -> Table:
    general = [rule for rule in together if not rule.selective] or together
    splitting = [rule for rule in general if len(rule.targets) > 1]
    if not splitting:
        default = next((rule for rule in reversed(general) if not rule.matched), general[-1])
        splitting = [rule for rule in general if rule.targets[0].backend == default.targets[0].backend]
    pinned = tuple(rule for rule in together if rule not in splitting)
    own = dict.fromkeys(target.backend for rule in together for target in rule.targets)
    families = {backend.family for backend in own}
    copied = dict.fromkeys(copies.backend for rule in splitting for copies in rule.copies)
    known = dict.fromkeys(backend for backend in extras if backend.family in families)
    more = tuple(backend for backend in copied | known if backend not in own)
    names = _names((*own, *more))
    first = splitting[0]
    suffix = names[first.targets[0].backend] if first.label.startswith("rule ") else first.label
    return Table(suffix, tuple(splitting), pinned, names, more)


def _names(backends: Sequence[Backend]) -> dict[Backend, str]:
    """The shortest names that tell the backends apart."""
    levels = max(len(backend.names) for backend in backends)
    for level in range(levels):
        names = {backend: backend.names[min(level, len(backend.names) - 1)] for backend in backends}
        if len(set(names.values())) == len(backends):
            return names
    return {backend: "/".join(backend.key) for backend in backends}


def _agree(one: Mapping[Backend, float], main: Mapping[Backend, float]) -> bool:
    return all(abs(share - main.get(backend, 0.0)) < WEIGHT_TOLERANCE for backend, share in one.items())


def new_weights(table: Table, percents: Mapping[str, float]) -> list[tuple[Rule, dict[Backend, int]]]:
    """The whole weights of each splitting rule. A rule without some of the backends splits in the same proportion
    between the backends that it has. Backends that no rule splits to yet are added to every rule.

    Raises:
        Rejected: a rule would have no backend left with traffic, or a share is too small for a weight.
    """
    wanted = {table.called(name): percent for name, percent in percents.items()}
    # A backend that another rule splits to is not new: a rule must not get backends that belong only to another rule.
    split_to = {target.backend for rule in table.rules for target in rule.targets}
    newcomers = {one: percent for one, percent in wanted.items() if percent > 0 and one not in split_to}
    found = []
    for rule in table.rules:
        current = {target.backend: target.weight for target in rule.targets}
        given = {one: wanted.get(one, 0.0) for one in current} | newcomers
        if not any(given.values()):
            raise Rejected(f"{rule.label} has none of the backends that would get traffic")
        found.append((rule, proportional(given, current)))
    return found


def split_operations(table: Table, percents: Mapping[str, float], field_of_new: str) -> list[dict[str, object]]:
    """The JSON patch that sets the weights of each splitting rule, with a test that each entry is still the one that
    was read. ``field_of_new`` is the key of the backend in a new entry, or "" if the entry itself is the backend."""
    operations: list[dict[str, object]] = []
    for rule, weights in new_weights(table, percents):
        for target in rule.targets:
            after = weights.pop(target.backend)
            if after != target.weight or len(rule.targets) == 1:
                operations += [expect(target.place + at, value) for at, value in target.checks]
                operations.append(add(f"{target.place}/weight", after))
        for backend, weight in weights.items():
            entry = {field_of_new: dict(backend.native)} if field_of_new else dict(backend.native)
            operations.append(add(f"{rule.entries}/-", {**entry, "weight": weight}))
    return operations


def split_summary(table: Table, percents: Mapping[str, float]) -> str:
    """Which weights change, in the object's own numbers: "weight v9 90 → 75, v10 10 → 25 (rules 1, 3)"."""
    said: dict[str, list[str]] = {}
    for rule, weights in new_weights(table, percents):
        current = {target.backend: target.weight for target in rule.targets}
        moves = [
            f"{table.names[one]} {current.get(one, 0)} → {after}"
            for one, after in weights.items()
            if current.get(one, 0) != after
        ]
        if moves:
            said.setdefault("weight " + ", ".join(moves), []).append(rule.label)
    several = len(table.rules) > 1
    return "; ".join(words + (f" ({', '.join(labels)})" if several else "") for words, labels in said.items())


def variants_of(
    made: Table, stable: str, behind: Callable[[Backend], Backing], *, in_effect: bool = False
) -> tuple[Variant, ...]:
    """The backends of a table as variants. ``stable`` is the name that is declared as stable, and ``behind`` gives the
    backing of a backend. ``in_effect``: the weights are known to be in effect, so they are also the observed
    weights."""
    weights, mirrors = made.weights, made.mirrors
    of_variant, picked = roles(weights, stable), made.picked
    found = []
    for of, called in made.names.items():
        live = weights.get(called, 0.0)
        shadow = bool(mirrors.get(called)) and not live
        runs = behind(of)
        role = Role.SHADOW if shadow else of_variant.get(called, Role.IDLE)
        found.append(
            Variant(
                name=called,
                role=Role.CANARY if called in picked and role is Role.IDLE else role,
                model=runs.model,
                image=runs.image,
                ready=runs.ready,
                wanted=runs.wanted,
                desired=None if shadow else live,
                observed=live if in_effect and not shadow and called not in picked else None,
                mirror=mirrors.get(called),
                message="gets the requests that a rule picks as well" if called in picked else "",
            )
        )
    return tuple(found)
