"""The lines of a plan, which the operator reads before anything is sent. Pure: they are made from the plan alone."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from backends.contracts import Action, EndpointRef, Promote, Role, action_of
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.plan import Plan, PlanRow, changed_by, difference
from shiftdeck.common.durations import age
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from tui.render import format as fmt
from tui.render.text import bar, ends, hang, left, line, right
from tui.render.theme import Look

LABEL = 11
"""Width of the column of labels ("same as", "way back")."""

OLD_S = 60.0
"""The age of a plan is shown as a warning from here on."""

VERBS = {Action.ROLLBACK: "ROLL BACK"}

_SEVERITY = (CheckVerdict.BLOCK, CheckVerdict.WARN, CheckVerdict.UNKNOWN, CheckVerdict.PASS)


def verb(action: Action) -> str:
    """The action in capitals, for a title."""
    return VERBS.get(action, str(action).upper())


def badge(look: Look, context: str, production: bool) -> Text:
    """The context's name, with a badge if it is production."""
    made = look.text((context, "strong"))
    if production:
        made.append_text(look.text(" ", (" PRODUCTION ", "production")))
    return made


def title_lines(
    look: Look, words: str, ref: EndpointRef | None, context: str, production: bool, width: int
) -> list[Text]:
    """The title of a dialog: the words, the endpoint and the context."""
    what = look.text((words, "title"))
    if ref is not None:
        what.append_text(look.text("  ", (f"{ref.backend}:{ref.scope}/", "muted"), (ref.name, "strong")))
    return ends(what, badge(look, context, production), width)


def plan_lines(plan: Plan, now: float, look: Look, width: int, *, move_alias: bool = True) -> list[Text]:
    """All lines except the title: the weights, the checks, the exact calls, and the way back. ``move_alias`` is whether
    the operator wants to move the registry's alias as well."""
    made = [*_table(plan, look, width), Text(), *_checks(plan, look, width), Text(), *_calls(plan, look, width)]
    if isinstance(plan.change, Promote) or plan.alias is not None or not move_alias:
        made += hang(look.text(("alias", "muted")), _alias(plan, look, move_alias), width, LABEL)
    made += hang(look.text(("way back", "muted")), look.text(plan.shown_way_back), width, LABEL)
    old = now - plan.created
    made += hang(
        look.text(("planned", "muted")),
        look.text(
            (f"{age(old)} ago", "warning" if old > OLD_S else "text"),
            (f" against revision {plan.before.revision}" if plan.before.revision else " as read just then", "muted"),
        ),
        width,
        LABEL,
    )
    return made


# ── what changes ────────────────────────────────────────────────────────────────────────────────────────────────


def _table(plan: Plan, look: Look, width: int) -> Iterator[Text]:
    names = max(8, *(len(row.variant) for row in plan.shown_rows)) + 2 if plan.shown_rows else 10
    mirrored = any(row.mirror_before or row.mirror_after for row in plan.shown_rows)
    roles = max([len(row.role) for row in plan.shown_rows], default=0)
    used = names + 42 + 2 + roles + (16 if mirrored else 0) + 4
    room = min(40, width - used)
    yield line(
        Text(" " * names),
        look.text((f"{'now':>6}{'':10}", "muted"), (f"{'after':>12}{'':10}", "muted")),
        look.text((f"{'mirrored':>{roles + 16}}" if mirrored else "", "muted")),
    )
    for row in plan.shown_rows:
        yield _row(row, look, names, roles, mirrored, room)


def _row(row: PlanRow, look: Look, names: int, roles: int, mirrored: bool, room: int) -> Text:
    style = look.role(Role(row.role))
    changed = row.after is not None and row.before != row.after
    after = "strong" if changed else "text"
    made = line(
        left(look.text((row.variant, style)), names),
        right(look.text((_percent(row.before), "text")), 6),
        right(look.text((fmt.rate(row.rps_before) if row.before is not None else "", "muted")), 10),
        right(look.text((look.symbols.arrow if changed else "", "muted")), 4),
        right(look.text((_percent(row.after), after)), 8),
        right(look.text((_estimate(row), "muted")), 10),
        left(look.text((f"  {row.role}", style)), roles + 4),
    )
    if mirrored:
        made.append_text(right(look.text(*_mirror(row, look)), 14))
    if room >= 10 and row.after is not None:
        made.append_text(line(Text("  "), bar(look, style, row.after, room)))
    return made


def _percent(value: float | None) -> str:
    return "" if value is None else f"{fmt.share(value)} %"


def _estimate(row: PlanRow) -> str:
    """Requests/s after the change: an estimate, unless nothing changes."""
    if row.after is None or row.rps_after is None:
        return ""
    return fmt.rate(row.rps_after) if row.before == row.after else f"~{fmt.rate(row.rps_after)}"


def _mirror(row: PlanRow, look: Look) -> list[tuple[str, str]]:
    if not row.mirror_before and not row.mirror_after:
        return []
    before, after = row.mirror_before or 0.0, row.mirror_after or 0.0
    if before == after:
        return [(f"{fmt.share(after)} %", "muted")]
    return [(f"{fmt.share(before)} {look.symbols.arrow} ", "muted"), (f"{fmt.share(after)} %", "strong")]


# ── checks ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _checks(plan: Plan, look: Look, width: int) -> Iterator[Text]:
    names = min(28, max([len(check.name) for check in plan.checks], default=0) + 4)
    for check in sorted(plan.checks, key=lambda one: _SEVERITY.index(one.verdict)):
        symbol, style = look.check(check.verdict)
        label = look.text((symbol, style), " ", (check.name, "text" if check.verdict is CheckVerdict.PASS else style))
        yield from hang(label, _evidence(check, look), width, names)


def _evidence(check: Check, look: Look) -> Text:
    made = look.text((check.evidence, "muted" if check.verdict is CheckVerdict.PASS else "text"))
    if check.age_s is not None:
        made.append_text(look.text((f" {look.symbols.dot} {age(check.age_s)} old", "muted")))
    return made


def blocked_line(plan: Plan, look: Look) -> Text:
    """Why the plan is held, and whether an override helps."""
    symbol, style = look.check(CheckVerdict.BLOCK)
    if plan.unable:
        return look.text((f"{symbol} ", style), (f"This cannot be done: {plan.unable}", "text"))
    names = ", ".join(check.name for check in plan.blocks)
    return look.text((f"{symbol} Blocked by {names}.", style), (" To override, give a reason.", "text"))


# ── calls ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _calls(plan: Plan, look: Look, width: int) -> Iterator[Text]:
    if not plan.steps:
        yield from hang(look.text(("sends", "muted")), look.text("nothing"), width, LABEL)
    for number, step in enumerate(plan.steps, start=1):
        call = step.call
        label = "sends" if len(plan.steps) == 1 else f"sends {number}"
        body = look.text((f"{call.method} ", "strong"), call.path)
        if step.kind == "registries":
            body.append_text(look.text((f"  on {step.source}", "muted")))
        yield from hang(look.text((label, "muted")), body, width, LABEL)
        yield from hang(Text(), look.text((call.summary, "strong")), width, LABEL)
        if call.guard:
            yield from hang(look.text(("guard", "muted")), look.text(call.guard), width, LABEL)
        if call.command:
            yield from hang(look.text(("same as", "muted")), look.text(call.command), width, LABEL)


def _alias(plan: Plan, look: Look, move_alias: bool) -> Text:
    if not move_alias:
        return look.text("stays where it is", ("  a", "key"), (" to move it too", "muted"))
    move = plan.alias
    if move is None:
        return look.text(("none to move: it points there already, or no registry has this version", "muted"))
    return look.text(
        f"{move.alias} of {move.model} {move.expected or 'unset'} {look.symbols.arrow} {move.version or 'unset'}",
        ("  a", "key"),
        (" to leave it", "muted"),
    )


# ── changes by others ───────────────────────────────────────────────────────────────────────────────────────────


def overtaken(plan: Plan, fleet: View) -> bool:
    """Whether ``fleet`` has a reading of the endpoint from after the plan, with another revision."""
    view = fleet.endpoint(plan.ref)
    source = fleet.newest(view.source) if view is not None else None
    if view is None or source is None or source.at is None:
        return False
    asked = source.at - (source.latency_s or 0.0)
    return asked >= plan.created and view.endpoint.revision != plan.before.revision


def overtaken_line(plan: Plan, view: EndpointView, now: float, look: Look) -> Text:
    """The changes while the plan was open, and who made them."""
    current = next((release for release in view.endpoint.releases if release.current), None)
    who = changed_by(view.endpoint)
    when = f" {age(now - current.at)} ago" if current is not None and current.at is not None else ""
    changes = ", ".join(difference(plan.before, view.endpoint))
    return look.text(
        (f"{look.symbols.warning} changed{f' by {who}' if who else ''}{when}: ", "warning"), (changes, "strong")
    )


def headline(plan: Plan) -> str:
    """The title of the plan."""
    return verb(action_of(plan.change))
