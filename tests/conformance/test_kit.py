"""The kit finds adapters that break a law: each of these breaks one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import cast

import pytest
from hypothesis import Phase, settings

from backends.conformance import SECRET, Sample, ServingConformance, wiring
from backends.conformance import serving as laws
from backends.contracts import (
    CONTRACT_VERSION,
    Action,
    Call,
    Change,
    Endpoint,
    EndpointRef,
    Pending,
    Progress,
    Release,
    Role,
    Rollback,
    Serving,
    Settled,
    Split,
    Wiring,
)
from backends.options import Options, text
from tests.conformance.thirdparty.shiftdeck_acme import AcmeOptions, AcmeServing, Kept, Weights, explain

REF = EndpointRef("acme", "", "churn")
BEFORE = {"v1": 90.0, "v2": 10.0}
NUMBERS = count()


class Acme(AcmeServing):
    """As it is."""


class OfAnotherContract(AcmeServing):
    CONTRACT = CONTRACT_VERSION + 1


class ReadsWhenMade(Acme):
    def __init__(self, wiring: Wiring[AcmeOptions]) -> None:
        super().__init__(wiring)
        Path(__file__).read_text()


class HidesThatItReads(Acme):
    def __init__(self, wiring: Wiring[AcmeOptions]) -> None:
        super().__init__(wiring)
        with suppress(AssertionError):
            os.listdir()  # noqa: PTH208 - whatever reads


class OpenTokenOptions(Options):
    """A token that is written down."""

    endpoints = AcmeOptions.endpoints
    token = text("a token")


class OpenToken(Acme):
    OPTIONS = OpenTokenOptions


class Calls(Acme):
    """Acme, with something else in its calls."""

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        (call,) = super().compile(endpoint, change)
        return (self.altered(call, endpoint),)

    def altered(self, call: Call, endpoint: Endpoint) -> Call:
        return call


class Counts(Calls):
    def altered(self, call: Call, endpoint: Endpoint) -> Call:
        return replace(call, headers={"X-Number": str(next(NUMBERS))})


class Writes(Calls):
    def altered(self, call: Call, endpoint: Endpoint) -> Call:
        cast("dict[str, object]", endpoint.native)["seen"] = next(NUMBERS)
        return call


class Reads(Calls):
    def altered(self, call: Call, endpoint: Endpoint) -> Call:
        Path(__file__).read_text()
        return call


class Unguarded(Calls):
    def altered(self, call: Call, endpoint: Endpoint) -> Call:
        return replace(call, guard="")


class Silent(Calls):
    def altered(self, call: Call, endpoint: Endpoint) -> Call:
        return replace(call, command=" ")


class NoJson(Calls):
    def altered(self, call: Call, endpoint: Endpoint) -> Call:
        return replace(call, body={"weights": {1, 2}})


class Leaks(Calls):
    def altered(self, call: Call, endpoint: Endpoint) -> Call:
        return replace(call, command=f"{call.command} --token {SECRET}")


class FromZero(Calls):
    def altered(self, call: Call, endpoint: Endpoint) -> Call:
        moves = [f"{one.name} {one.desired or 0:g} → 1" for one in endpoint.variants]
        return replace(call, summary=", ".join(moves))


class Obliging(Acme):
    """Does what is refused."""

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        known = {**endpoint.actions, Action.SHIFT: None, Action.PROMOTE: None}
        return super().compile(replace(endpoint, actions=known), change)


class Refusing(Acme):
    """Offers what it never does."""

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        return super().compile(replace(endpoint, actions={}), change)


class Trusting(Acme):
    """Looks at no number."""

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        if isinstance(change, Split) and endpoint.actions.get(Action.SHIFT, "") is None:
            return (Call("PUT", "/", dict(change.weights), guard="version 1", summary="weights", command="acme put"),)
        return super().compile(endpoint, change)


class Defective(Acme):
    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        if isinstance(change, Split):
            _ = [BEFORE[name] for name in change.weights]
        return super().compile(endpoint, change)


class Hasty(Acme):
    """Takes what is asked for as what is in effect."""

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        routed = [replace(one, observed=one.desired) for one in now.variants]
        return super().progress(before, replace(now, variants=tuple(routed)), change)


class Hopeful(Acme):
    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        return Settled("it will do")


class Doubtful(Acme):
    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        return Pending("who knows")


class Mute(Acme):
    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        return Pending()


class Forgetful(Acme):
    """Goes back to a release."""

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        if isinstance(change, Rollback) and change.release == "1":
            return (
                Call("PUT", "/", {"release": "1"}, guard="version 1", summary="release 2 → 1", command="acme back"),
            )
        return super().compile(endpoint, change)


class Adds(Acme):
    """Adds numbers that may not be known."""

    def progress(self, before: Endpoint, now: Endpoint, change: Change) -> Progress:
        sum(one.desired for one in now.variants)  # type: ignore[misc]  # that is the defect
        return super().progress(before, now, change)


class Fenced(Acme):
    """Acme, with something else in its fences."""

    def fence(self, endpoint: Endpoint, lost: Call) -> Call | None:
        fence = super().fence(endpoint, lost)
        assert fence is not None
        return self.altered(fence, endpoint)

    def altered(self, fence: Call, endpoint: Endpoint) -> Call:
        return fence


class Moves(Fenced):
    def altered(self, fence: Call, endpoint: Endpoint) -> Call:
        return replace(fence, body={"weights": {"v1": 0.0, "v2": 100.0}, "version": endpoint.revision})


class Elsewhere(Fenced):
    """Fences another endpoint."""

    def altered(self, fence: Call, endpoint: Endpoint) -> Call:
        return replace(fence, path=fence.path.replace("churn", "other"))


class Stale(Fenced):
    def altered(self, fence: Call, endpoint: Endpoint) -> Call:
        return replace(fence, body={**cast("dict[str, object]", fence.body), "version": "0"})


class Draws(Fenced):
    def altered(self, fence: Call, endpoint: Endpoint) -> Call:
        return replace(fence, headers={"X-Number": str(next(NUMBERS))})


class Tells(Fenced):
    def altered(self, fence: Call, endpoint: Endpoint) -> Call:
        return replace(fence, command=f"{fence.command} --token {SECRET}")


class Stuck(Acme):
    """Plans nothing after a fence."""

    def compile(self, endpoint: Endpoint, change: Change) -> tuple[Call, ...]:
        return super().compile(endpoint if endpoint.revision == "1" else replace(endpoint, actions={}), change)


class Played:
    """Acme itself, with two endpoints."""

    def __init__(self) -> None:
        self._acme = AcmeServing(wiring(AcmeServing, endpoints=("churn", "other")))

    def read(self) -> Endpoint:
        return self._acme.read(REF)

    def send(self, call: Call) -> None:
        self._acme.send(call)


def sample(weights: Weights) -> Sample:
    def asked(calls: Sequence[Call]) -> Weights:
        return cast("dict[str, Weights]", calls[0].body)["weights"]

    return Sample(
        "a canary",
        explain(REF, Kept(weights, weights)),
        taken=lambda calls: explain(REF, Kept(asked(calls), weights, 2)),
        done=lambda calls: explain(REF, Kept(asked(calls), asked(calls), 2)),
        server=Played,
    )


def suite_of(cls: Callable[[Wiring[AcmeOptions]], Serving]) -> ServingConformance:
    class Suite(ServingConformance):
        def adapter(self) -> Serving:
            return cls(wiring(cls))

        def samples(self) -> Sequence[Sample]:
            return [sample(BEFORE)]

    return Suite()


BROKEN: list[tuple[type[AcmeServing], str]] = [
    (OfAnotherContract, "test_the_class_is_written_for_this_contract"),
    (ReadsWhenMade, "test_making_it_does_no_io"),
    (HidesThatItReads, "test_making_it_does_no_io"),
    (OpenToken, "test_settings_are_told_apart_and_secrets_are_secrets"),
    (Counts, "test_compile_is_pure"),
    (Writes, "test_compile_is_pure"),
    (Reads, "test_compile_is_pure"),
    (Unguarded, "test_calls_show_what_they_send"),
    (Silent, "test_calls_show_what_they_send"),
    (NoJson, "test_calls_show_what_they_send"),
    (Leaks, "test_calls_show_what_they_send"),
    (FromZero, "test_unknown_numbers_do_not_become_zero_in_calls"),
    (Obliging, "test_an_action_is_refused_for_the_reason_that_the_endpoint_gives"),
    (Refusing, "test_what_is_available_compiles"),
    (Trusting, "test_nonsense_is_refused"),
    (Trusting, "test_only_what_fits_compiles_whatever_the_numbers"),
    (Defective, "test_compile_raises_only_rejected_and_unsupported_with_words"),
    (Hasty, "test_what_is_taken_but_not_in_effect_is_not_settled"),
    (Hopeful, "test_an_unchanged_endpoint_is_not_settled"),
    (Hopeful, "test_another_change_does_not_settle_this_one"),
    (Hopeful, "test_a_change_whose_target_is_gone_is_not_settled"),
    (Hopeful, "test_unknown_weights_settle_no_split"),
    (Doubtful, "test_what_is_in_effect_is_settled"),
    (Mute, "test_an_unchanged_endpoint_is_not_settled"),
    (Adds, "test_progress_takes_whatever_is_not_known"),
    (Moves, "test_after_a_fence_the_lost_call_conflicts_and_nothing_has_moved"),
    (Elsewhere, "test_after_a_fence_the_lost_call_conflicts_and_nothing_has_moved"),
    (Stale, "test_after_a_fence_the_lost_call_conflicts_and_nothing_has_moved"),
    (Draws, "test_a_fence_is_pure_and_shows_what_it_sends"),
    (Tells, "test_a_fence_is_pure_and_shows_what_it_sends"),
    (Stuck, "test_after_a_fence_a_new_plan_is_accepted"),
]


@pytest.mark.parametrize(("cls", "law"), BROKEN, ids=[f"{cls.__name__}: {law}" for cls, law in BROKEN])
def test_a_broken_law_is_found(cls: type[AcmeServing], law: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody reads the example, so that none is made smaller.
    monkeypatch.setattr(laws, "EXAMPLES", settings(laws.EXAMPLES, phases=[Phase.generate]))
    suite = suite_of(cls)
    given = (sample(BEFORE),) if "sample" in getattr(ServingConformance, law).__code__.co_varnames[:2] else ()
    with pytest.raises((AssertionError, KeyError, TypeError)):
        getattr(suite, law)(*given)


def test_a_measured_share_and_a_doubled_name_are_found() -> None:
    told = sample(BEFORE)
    measured = replace(told.endpoint.variants[0], measured=12.0)
    for variants in ((measured,), told.endpoint.variants * 2, (replace(measured, measured=None, desired=120.0),)):
        odd = replace(told, endpoint=replace(told.endpoint, variants=variants))
        with pytest.raises(AssertionError):
            suite_of(Acme).test_an_endpoint_says_only_what_is_known(odd)
    assert told.endpoint.variants[0].role is Role.STABLE


@pytest.mark.parametrize(("good", "newer", "found"), [(None, False, True), (False, False, False), (None, True, False)])
def test_a_release_that_is_offered_again_after_a_rollback_from_it_is_found(
    good: bool | None, newer: bool, found: bool
) -> None:
    """Although it has another number by then."""
    first, second = Release("1", {"v1": 100.0}), Release("2", {"v2": 100.0}, current=True)
    again = Release("3", {"v1": 100.0}, current=True)
    left = replace(second, current=False, good=good)
    told = sample(BEFORE)
    before = replace(told.endpoint, releases=(second, first), actions={Action.ROLLBACK: None})
    after = replace(before, releases=(left, again) if newer else (again, left))
    suite = suite_of(Forgetful)
    given = Sample("two releases", before, done=lambda calls: after)
    with pytest.raises(AssertionError, match="left release 2") if found else nullcontext():
        suite.test_what_was_rolled_back_from_is_not_offered_again(given)


def test_an_exception_of_nothing_is_found() -> None:
    suite = suite_of(Acme)
    suite.exceptions = {("test_compile_is_pure", "no such sample"): "a reason"}
    with pytest.raises(AssertionError, match="no such sample"):
        suite.test_every_exception_names_a_law_and_a_sample()


class TestAcme(ServingConformance):
    """And Acme itself, on which the others are built, breaks none."""

    def adapter(self) -> Serving:
        return Acme(wiring(Acme))

    def samples(self) -> Sequence[Sample]:
        return [sample(BEFORE)]
