"""The editor of a split or of a mirrored percentage: the effects of its keys, and its lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.text import Text

from backends.contracts import Role
from shiftdeck.common.durations import parse_percent
from shiftdeck.fleet.endpoint import EndpointView, VariantView
from shiftdeck.health.latency import p95_of
from tui.render import format as fmt
from tui.render.text import bar, left, line, right
from tui.render.theme import Look

PRESETS = (0.0, 1.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0)


@dataclass(frozen=True, slots=True)
class Draft:
    """Percent by variant. ``names`` are the variants that can be set. ``rest`` is the variant that gets the rest to
    100; "": none. ``chosen`` is the index of the edited variant, ``typed`` the digits that were typed for it so far."""

    weights: Mapping[str, float]
    names: tuple[str, ...]
    rest: str = ""
    chosen: int = 0
    typed: str = ""

    @property
    def name(self) -> str:
        return self.names[self.chosen]

    @property
    def value(self) -> float:
        return self.weights[self.name]

    @property
    def total(self) -> float:
        return sum(self.weights.values())

    @property
    def room(self) -> float:
        """The most that the edited variant may have."""
        if not self.rest:
            return 100.0
        return 100.0 - sum(self.weights[name] for name in self.names if name != self.name)

    def put(self, value: float) -> Draft:
        """The draft with that value for the edited variant, limited to 0 and to ``room``. ``rest`` is adjusted."""
        weights = {**self.weights, self.name: round(min(max(0.0, value), self.room), 4)}
        if self.rest:
            weights[self.rest] = round(100.0 - sum(weights[name] for name in self.names), 4)
        return replace(self, weights=weights, typed="")

    def nudge(self, by: float) -> Draft:
        return self.put(self.value + by)

    def preset(self, by: int) -> Draft:
        """The draft with the next preset above, or the next below if ``by`` is negative."""
        further = [one for one in PRESETS if (one > self.value if by > 0 else one < self.value)]
        return self.put((min if by > 0 else max)(further)) if further else replace(self, typed="")

    def type(self, character: str) -> Draft:
        """The draft after one more digit or the decimal point. A character that makes no percentage is ignored."""
        text = self.typed + character
        try:
            value = _typed(text)
        except ValueError:
            return self
        whole, _, part = text.partition(".")
        if len(part) > 2 or len(whole) > 3:
            return self
        made = self.put(value)
        return replace(made, typed=text) if made.value == value else made

    def rub_out(self) -> Draft:
        """The draft without the last typed character."""
        text = self.typed[:-1]
        made = self.put(_typed(text) if text else 0.0)
        return replace(made, typed=text)

    def other(self, by: int) -> Draft:
        """The draft with another variant to edit."""
        return replace(self, chosen=(self.chosen + by) % len(self.names), typed="")


def _typed(text: str) -> float:
    """The percentage that was typed so far. It may end in a dot, after which digits follow.

    Raises:
        ValueError: it is not a percentage.
    """
    return parse_percent(text.removesuffix("."))


def draft_of(view: EndpointView, prefer: str = "") -> Draft | None:
    """The draft of the present desired split; stable gets the rest. ``None`` if there is no variant to set."""
    live = [one for one in view.endpoint.variants if one.role is not Role.SHADOW]
    stable = next((one.name for one in live if one.role is Role.STABLE), "")
    names = tuple(one.name for one in live if one.name != stable)
    if not names:
        return None
    order = [Role.CANARY, Role.CANDIDATE, Role.IDLE]
    first = min(names, key=lambda name: order.index(role) if (role := _role(view, name)) in order else len(order))
    chosen = names.index(prefer if prefer in names else first)
    return Draft({one.name: one.desired or 0.0 for one in live}, names, stable, chosen)


def _role(view: EndpointView, name: str) -> Role | None:
    found = view.endpoint.variant(name)
    return found.role if found else None


def split_lines(view: EndpointView, draft: Draft, look: Look, width: int) -> list[Text]:
    """The lines of the edited split: each variant before and after, with the edited one marked, and the sum."""
    names = max([9, *(len(name) for name in draft.weights)]) + 2
    wide = width >= 72
    room = max(0, min(44, width - names - (56 if wide else 34)))
    heads = f"{'':{names}}{'role':11}{'now':>7}{'then':>11}"
    made = [look.text((f"  {heads}{'p95':>11}{'errors':>10}" if wide else f"  {heads}", "muted"))]
    for name in draft.weights:
        found = view.variant(name)
        if found is not None:
            made.append(_edited(found, draft, look, names, wide, room))
    whole = abs(draft.total - 100.0) < 0.01
    sums = f"{'':{names}}{'sum':11}{'':>7}{fmt.share(draft.total):>9} %"
    made.append(look.text((f"  {sums}", "muted" if whole else "critical")))
    return made


def _edited(found: VariantView, draft: Draft, look: Look, names: int, wide: bool, room: int) -> Text:
    variant, metrics = found.variant, found.metrics
    weight, chosen = draft.weights[variant.name], variant.name == draft.name
    style = look.role(variant.role)
    then = draft.typed if chosen and draft.typed else fmt.share(weight)
    changed = weight != (variant.desired or 0.0)
    made = line(
        look.text((look.symbols.cursor if chosen else " ", "key"), " "),
        left(look.text((variant.name, style)), names),
        left(look.text((str(variant.role), style)), 11),
        right(look.text((fmt.share(variant.desired or 0.0), "muted")), 5),
        look.text((" %", "muted")),
        right(look.text((look.symbols.arrow if changed else "", "muted")), 3),
        right(look.text((then, "input" if chosen else "strong")), 6),
        look.text(" %"),
    )
    if wide:
        made.append_text(right(look.text((fmt.quantile(p95_of(metrics)), "muted")), 11))
        made.append_text(right(look.text((fmt.ratio(metrics.error_ratio if metrics else None), "muted")), 10))
    if room >= 8:
        made.append_text(line(Text("   "), bar(look, style, weight, room)))
    return made


def preset_line(value: float, look: Look, presets: Sequence[float] = PRESETS) -> Text:
    """The line of presets. The preset that equals the value is marked."""
    marks = [(f" {fmt.share(preset)} ", "focus" if preset == value else "text") for preset in presets]
    return look.text(("presets ", "muted"), *marks)


def mirror_lines(view: EndpointView, draft: Draft, look: Look, width: int) -> list[Text]:
    """The lines of the edited mirrored percentage, before and after. It does not change the live split."""
    found = view.endpoint.variant(draft.name)
    now = (found.mirror if found else None) or 0.0
    style = look.role(found.role) if found else "text"
    then = draft.typed or fmt.share(draft.value)
    changed = look.symbols.arrow if draft.value != now else ""
    head = look.text(
        (draft.name, style),
        ("  gets copies of  ", "muted"),
        (f"{fmt.share(now)} % {changed} ", "muted"),
        (then, "input"),
    )
    head.append_text(look.text(" %", (" of the requests", "muted")))
    words = "Its answers are dropped." if draft.value else "Mirroring ends."
    return [head, bar(look, style, draft.value, min(60, width)), look.text((words, "muted"))]
