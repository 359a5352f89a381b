"""The checks of a plan. Each is a pure function of the known data and gives pass, warn, block or unknown with its
evidence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from backends.contracts import (
    Abort,
    Action,
    Direction,
    Endpoint,
    Mirror,
    Role,
    Rollback,
    Variant,
)
from shiftdeck.changes.access import writable
from shiftdeck.changes.alert_checks import alerts_firing
from shiftdeck.changes.check import Check, CheckVerdict
from shiftdeck.changes.exposure import behaviour, is_first_exposure
from shiftdeck.changes.plan import changed_by, difference
from shiftdeck.changes.promotion_gates import candidate_of, cost, gate_checks
from shiftdeck.changes.proposal import Proposal
from shiftdeck.changes.way_back import ROLLED_BACK, condemned_variants, introduced, is_older, shares_of
from shiftdeck.common.durations import age as age_text
from shiftdeck.common.numbers import known
from shiftdeck.fleet.endpoint import VariantView, worst_of
from shiftdeck.fleet.image_tag import finding as image_finding
from shiftdeck.fleet.view import trouble
from shiftdeck.health.drift import figure, findings, gaps, told_apart
from shiftdeck.health.judge import SIGNIFICANCE, WORSE_ERRORS, is_live
from shiftdeck.health.latency import p95_of, seconds
from shiftdeck.health.statistics import WORSE_P95, Difference, compare

RECENT_S = 60.0
"""A change by another operator within this time is shown as a warning."""


def run_checks(proposal: Proposal) -> tuple[Check, ...]:
    """All checks that apply, in the order in which they are shown."""
    return tuple(_checks(proposal))


def _checks(proposal: Proposal) -> Iterator[Check]:
    yield writable(proposal.arming)
    yield possible(proposal.fresh, proposal.action)
    yield data_fresh(proposal)
    yield unchanged(proposal)
    yield from release(proposal)
    yield from versions(proposal)
    yield from target_ready(proposal)
    if proposal.fresh.owner:
        yield Check(
            "owner", CheckVerdict.WARN, f"{proposal.fresh.owner} reconciles this object and may revert the change"
        )
    if isinstance(proposal.change, Mirror) or proposal.is_retreat:
        return
    yield from alerts_firing(proposal)
    for view in map(with_copies, proposal.gaining):
        yield from known_behaviour(proposal, view)
        yield drift(proposal, view)
        yield from quality(view)
        candidate = candidate_of(proposal.fleet, view, proposal.view.in_role(Role.STABLE))
        yield from gate_checks(candidate, proposal.gating.gates, proposal.gating.describe)
        yield from image(proposal, view)
    price = cost(proposal.view, proposal.gating.gates, proposal.gating.prices) if proposal.gaining else None
    if price is not None:
        yield price


def known_behaviour(proposal: Proposal, view: VariantView) -> Iterator[Check]:
    """How a variant behaves by its metrics, and whether enough of that is known for what it is to get."""
    source, slo = proposal.view.metrics_source, proposal.view.slo
    judged: tuple[Check, ...] = ()
    if source is None or not source.fresh:
        why = "no metrics source is configured" if source is None else trouble(source, proposal.fleet.at)
        why = why or "the metrics source is off"
    else:
        samples, measured = enough_samples(proposal, view), tuple(objectives(proposal, view))
        compared = tuple(against_stable(proposal, view))
        yield from (samples, *measured, *compared)
        judged = (samples, *(measured or compared))
        why = "" if measured or compared else "there is no objective to judge it by"
    after = next((row.after for row in proposal.rows if row.variant == view.name), None)
    yield from behaviour(
        view.name,
        why=why,
        judged=judged,
        first=is_first_exposure(proposal.fresh, view.variant, after, slo.first_step),
        first_step=slo.first_step,
        production=proposal.fleet.production,
    )


def with_copies(view: VariantView) -> VariantView:
    """The variant, judged by the mirrored requests if it has answered no live requests yet: a shadow exists to be
    judged by them."""
    return view if view.metrics is not None and view.metrics.samples else replace(view, metrics=view.mirrored)


def possible(endpoint: Endpoint, action: Action) -> Check:
    if action not in endpoint.actions:
        return Check("possible", CheckVerdict.BLOCK, f"{endpoint.ref.backend} cannot {action} an endpoint")
    reason = endpoint.actions[action]
    if reason is not None:
        return Check("possible", CheckVerdict.BLOCK, reason)
    return Check("possible", CheckVerdict.PASS, f"{endpoint.ref.backend} can {action}")


def data_fresh(proposal: Proposal) -> Check:
    """Every other check relies on fresh data. Without it a change forward is blocked, and a change back is not."""
    now = proposal.fleet.at
    statuses = [proposal.fleet.newest(proposal.view.source)]
    if proposal.view.metrics_source is not None:
        statuses.append(proposal.fleet.newest(proposal.view.metrics_source))
    bad = [trouble(status, now) for status in statuses if not status.fresh]
    if bad:
        verdict = CheckVerdict.WARN if proposal.is_retreat else CheckVerdict.BLOCK
        return Check("data fresh", verdict, ", ".join(text for text in bad if text) or "a source is off")
    ages = [status.age_s(now) or 0.0 for status in statuses]
    words = " · ".join(f"{status.name} {age_text(age)}" for status, age in zip(statuses, ages, strict=True))
    if proposal.view.metrics_source is None:
        return Check("data fresh", CheckVerdict.UNKNOWN, f"{words}; no metrics source is configured", max(ages))
    return Check("data fresh", CheckVerdict.PASS, words, max(ages))


def unchanged(proposal: Proposal) -> Check:
    """Whether the endpoint is still as the screen showed it when the operator decided."""
    seen, fresh = proposal.view.endpoint, proposal.fresh
    changes = difference(seen, fresh) if seen.revision != fresh.revision else ()
    if changes:
        who = changed_by(fresh, seen) or "somebody"
        return Check("unchanged", CheckVerdict.WARN, f"{who} changed it since you looked: {', '.join(changes)}")
    current = next((release for release in fresh.releases if release.current and release.at is not None), None)
    if current is not None and current.at is not None and 0 <= proposal.fleet.at - current.at < RECENT_S:
        ago = age_text(proposal.fleet.at - current.at)
        return Check("unchanged", CheckVerdict.WARN, f"changed by {current.by or 'somebody'} {ago} ago")
    token = f"revision {fresh.revision}" if fresh.revision else "this system has no revision to guard with"
    return Check("unchanged", CheckVerdict.PASS if fresh.revision else CheckVerdict.UNKNOWN, token)


def release(proposal: Proposal) -> Iterator[Check]:
    """What a rollback goes back to, and whether that is known to be bad."""
    target, bad = proposal.target, proposal.leads_to_bad
    if target is None:
        if bad:
            yield Check("release", CheckVerdict.BLOCK, bad)
        return
    words = introduced(proposal.fresh, target, proposal.fleet.at)
    if bad:
        yield Check("release", CheckVerdict.BLOCK, f"{words}: {bad.removeprefix(f'release {target.id} ')}")
    elif not is_older(proposal.fresh, target) and not target.current:
        yield Check("release", CheckVerdict.WARN, f"{words}: it is newer than the current one")
    elif target.good:
        yield Check("release", CheckVerdict.PASS, words)
    else:
        yield Check("release", CheckVerdict.UNKNOWN, f"{words}; nobody vouches for it")


def versions(proposal: Proposal) -> Iterator[Check]:
    """The version and image of each variant that gets more traffic. A rollback names its release instead."""
    if proposal.is_retreat or isinstance(proposal.change, Mirror | Rollback | Abort):
        return
    bad = condemned_variants(proposal.fresh)
    for variant in proposal.growing:
        if variant.role is Role.STABLE:
            continue
        told = [str(variant.model) if variant.model else "", f"image {variant.image}" if variant.image else ""]
        words = ", ".join(part for part in told if part)
        verdict = CheckVerdict.PASS if words else CheckVerdict.UNKNOWN
        words = words or "the system tells neither its version nor its image"
        if variant.name in bad:
            verdict, words = CheckVerdict.WARN, f"{words}; {bad[variant.name]}"
        yield Check(f"{variant.name} version", verdict, words)


def target_ready(proposal: Proposal) -> Iterator[Check]:
    """Whether each variant that gets more live or mirrored traffic has enough replicas, at the load per replica that
    stable has now."""
    for row in proposal.rows:
        variant = proposal.fresh.variant(row.variant)
        live = row.after if row.after is not None and row.after > (row.before or 0.0) else 0.0
        copies = row.mirror_after if (row.mirror_after or 0.0) > (row.mirror_before or 0.0) else 0.0
        more = max(live, copies or 0.0)
        if variant is None or more == 0.0:
            continue
        name = f"{row.variant} ready"
        if variant.trouble:
            verdict = CheckVerdict.WARN if proposal.is_retreat else CheckVerdict.BLOCK
            yield Check(name, verdict, f"{_count(variant.ready)}/{_count(variant.wanted)} ready: {variant.trouble}")
        elif variant.ready is None:
            yield Check(name, CheckVerdict.UNKNOWN, "the system does not tell its replicas")
        elif variant.ready == 0 and (failure := _failure(proposal.fresh, variant)):
            yield Check(name, CheckVerdict.BLOCK, failure)
        elif variant.ready == 0 and variant.wanted == 0:
            yield Check(name, CheckVerdict.WARN, "nothing of it runs now: it has to start first")
        elif variant.ready == 0:
            yield Check(name, CheckVerdict.BLOCK, f"0/{_count(variant.wanted)} replicas ready")
        else:
            yield _capacity(name, proposal, variant.ready, more)


def _failure(endpoint: Endpoint, variant: Variant) -> str:
    """Why a variant without a ready replica must not get traffic: its release is known to be bad; else ""."""
    mine = (one for one in endpoint.releases if shares_of(one).keys() == {variant.name})
    bad = next((one for one in mine if one.good is False), None)
    return f"0 replicas ready, and it {bad.why or ROLLED_BACK}" if bad is not None else ""


def _count(wanted: int | None) -> str:
    return "?" if wanted is None else str(wanted)


def _capacity(name: str, proposal: Proposal, ready: int, after: float) -> Check:
    stable = proposal.fresh.in_role(Role.STABLE)
    evidence = f"{ready} ready"
    if stable is None or not stable.ready or not stable.observed:
        return Check(name, CheckVerdict.PASS, evidence)
    per_replica = stable.observed / stable.ready
    wants = math.ceil(after / per_replica - 0.25)
    if wants > ready:
        return Check(name, CheckVerdict.WARN, f"{evidence}, {after:g} % wants about {wants}")
    return Check(name, CheckVerdict.PASS, evidence)


def enough_samples(proposal: Proposal, view: VariantView) -> Check:
    wanted = proposal.view.slo.min_samples
    name = f"{view.name} samples"
    metrics = view.metrics
    if metrics is None or (metrics.samples == 0 and not is_live(view.variant)):
        return Check(name, CheckVerdict.UNKNOWN, f"no live requests seen; {wanted} are wanted")
    copies = " copies" if metrics.mirrored else ""
    evidence = f"n {metrics.samples:,}{copies} in {age_text(metrics.window_s)}"
    if metrics.samples < wanted:
        return Check(name, CheckVerdict.UNKNOWN, f"{evidence}, {wanted} are wanted")
    return Check(name, CheckVerdict.PASS, evidence)


def objectives(proposal: Proposal, view: VariantView) -> Iterator[Check]:
    """p95 latency and error ratio against the endpoint's own objectives."""
    slo, metrics = proposal.view.slo, view.metrics
    enough = metrics is not None and metrics.samples >= slo.min_samples
    if slo.p95_s is not None:
        name, limit = f"{view.name} p95 within SLO", seconds(slo.p95_s)
        p95 = p95_of(metrics)
        bad = p95.exceeds(slo.p95_s) if p95 is not None else None
        if metrics is None or p95 is None or not enough:
            yield Check(name, CheckVerdict.UNKNOWN, f"too few requests to tell (SLO {limit})")
        elif bad is None:
            said = f"{p95.words(slo.p95_s)}: the buckets cannot tell (SLO {limit}), n {metrics.samples:,}"
            yield Check(name, CheckVerdict.UNKNOWN, said)
        else:
            sign = ">" if bad else "≤"
            yield Check(
                name,
                CheckVerdict.BLOCK if bad else CheckVerdict.PASS,
                f"{p95.words(slo.p95_s)} {sign} {limit}, n {metrics.samples:,}",
            )
    if slo.error_ratio is not None:
        name, limit = f"{view.name} errors within SLO", f"{slo.error_ratio * 100:.1f} %"
        errors = known(metrics.error_ratio) if metrics is not None else None
        if metrics is None or errors is None or not enough:
            yield Check(name, CheckVerdict.UNKNOWN, f"too few requests to tell (SLO {limit})")
        else:
            bad = errors > slo.error_ratio
            sign = ">" if bad else "≤"
            yield Check(
                name,
                CheckVerdict.BLOCK if bad else CheckVerdict.PASS,
                f"{errors * 100:.1f} % {sign} {limit}, n {metrics.samples:,}",
            )


def against_stable(proposal: Proposal, view: VariantView) -> Iterator[Check]:
    stable = proposal.view.in_role(Role.STABLE)
    if stable is None:
        return
    result = compare(stable.metrics, view.metrics)
    name = f"{view.name} against {stable.name}"
    if min(result.samples_canary, result.samples_stable) < proposal.view.slo.min_samples:
        yield Check(name, CheckVerdict.UNKNOWN, f"n {result.samples_canary} against {result.samples_stable}: too few")
        return
    words: list[str] = []
    verdicts = {CheckVerdict.PASS}
    ratio, delta = result.p95_ratio, result.errors.delta
    if ratio is not None:
        words.append(f"p95 {(ratio - 1) * 100:+.0f} %{_p(result.p95.p_value)}")
        if ratio > WORSE_P95:
            verdicts.add(_weighed(result.p95))
    elif result.p95_stable is not None and result.p95_canary is not None:
        words.append(f"p95 {result.p95_canary.range_words} against {result.p95_stable.range_words}")
        if result.slow is not None:
            words.append(f"{result.slow.words}{_p(result.slow.p_value)}")
        if result.slower(SIGNIFICANCE):
            verdicts.add(CheckVerdict.BLOCK)
        elif result.hidden or result.p95_canary.capped or result.slow is None:
            verdicts.add(CheckVerdict.UNKNOWN)
    if delta is not None:
        words.append(f"errors {delta * 100:+.1f} points{_p(result.errors.p_value)}")
        if delta > WORSE_ERRORS:
            verdicts.add(_weighed(result.errors))
    if not words:
        verdicts = {CheckVerdict.UNKNOWN}
    worst = next(v for v in (CheckVerdict.BLOCK, CheckVerdict.UNKNOWN, CheckVerdict.PASS) if v in verdicts)
    yield Check(name, worst, " · ".join(words) or "no figures")


def _weighed(difference: Difference) -> CheckVerdict:
    """The verdict on a difference that is large enough to matter: significant, chance, or not known."""
    if difference.p_value is None:
        return CheckVerdict.UNKNOWN
    return CheckVerdict.BLOCK if difference.significant(SIGNIFICANCE) else CheckVerdict.PASS


def drift(proposal: Proposal, view: VariantView) -> Check:
    """Drift of a variant that gets more traffic, and whether other variants have it too. Missing scores give unknown:
    they neither pass nor block."""
    name = f"{view.name} drift"
    worst = worst_of(view.drift)
    missing = gaps(score for score in view.drift if score.delay_s is None)
    if worst is None:
        note = next((score.note for score in missing if score.note), "no score for this variant")
        return Check(name, CheckVerdict.UNKNOWN, note)
    evidence = f"{worst.feature} {worst.method} {figure(worst)} of {worst.threshold:g}, n {worst.samples:,}"
    age = max(0.0, proposal.fleet.at - worst.at)
    if worst.crossed:
        finding = next((one for one in findings(proposal.view.drift) if one.feature == worst.feature), None)
        return Check(name, CheckVerdict.WARN, f"{evidence}; {told_apart(finding)}" if finding else evidence, age)
    silent = [
        status for status in proposal.fleet.sources if status.kind == "drift" and trouble(status, proposal.fleet.at)
    ]
    if silent:
        return Check(name, CheckVerdict.UNKNOWN, f"{trouble(silent[0], proposal.fleet.at)}; last {evidence}", age)
    if missing:
        lacking = f"{missing[0].feature}: {missing[0].note}"
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return Check(name, CheckVerdict.UNKNOWN, f"{evidence}, but no score of {lacking}{more}", age)
    return Check(name, CheckVerdict.PASS, evidence, age)


def quality(view: VariantView) -> Iterator[Check]:
    """How right the answers are, from scores against the truth. The truth arrives late, so the evidence gives its
    delay."""
    for score in view.drift:
        if score.delay_s is None:
            continue
        name = f"{view.name} {score.feature}"
        old = f"truth {age_text(score.delay_s)} old"
        if score.value is None:
            yield Check(name, CheckVerdict.UNKNOWN, f"{score.note or 'not known'}; {old}")
        else:
            sign = ">" if score.direction is Direction.ABOVE else "<"
            evidence = f"{figure(score)}, alarms {sign} {score.threshold:.3g}, n {score.samples:,}, {old}"
            yield Check(name, CheckVerdict.WARN if score.crossed else CheckVerdict.PASS, evidence)


def image(proposal: Proposal, view: VariantView) -> Iterator[Check]:
    """Whether a variant that gets more traffic runs the image that its tag names now. Replicas that start later, when
    it scales up, run the image that the tag names then. There is no check if no image registry is configured."""
    statuses = [status for status in proposal.fleet.sources if status.kind == "images"]
    found = image_finding(view)
    if not statuses or found is None or view.image is None:
        return
    silent = next((words for status in statuses if (words := trouble(status, proposal.fleet.at))), "")
    verdict = {True: CheckVerdict.WARN, False: CheckVerdict.PASS, None: CheckVerdict.UNKNOWN}[found.moved]
    if silent and verdict is CheckVerdict.PASS:
        yield Check(f"{view.name} image", CheckVerdict.UNKNOWN, f"{silent}; last: {found.words}")
    else:
        yield Check(f"{view.name} image", verdict, found.words)


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return " (p < 0.001)" if value < 0.001 else f" (p {value:.2g})"
