"""The laws of serving adapters, one test each. ``backends.conformance`` says how they are run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backends.conformance.changes import (
    any_change,
    blanked,
    makes_sense,
    nonsense,
    offered_again,
    partly_known,
    targets,
    tried,
    without,
)
from backends.conformance.fences import FenceLaws
from backends.conformance.inputs import SECRET, Sample, options_of
from backends.conformance.purity import no_io
from backends.conformance.trying import (
    about,
    compiled,
    complete,
    every_change,
    finished,
    is_words,
    methods,
    outcome,
    played,
    progress,
    pure,
)
from backends.contracts import (
    CONTRACT_VERSION,
    Change,
    Endpoint,
    Forecast,
    Forecasts,
    Promote,
    Rollback,
    Serving,
    Settled,
    Split,
    action_of,
)
from backends.discovery import contract_of
from backends.errors import BackendError, Rejected, Unsupported
from backends.settings import SettingType

SECRETS = re.compile(r"token|password|passphrase|secret|api_?key|credential", re.IGNORECASE)
FROM_NOTHING = re.compile(r"(?<![\d.])0(?:\.0+)?\s*%?\s*→")
"""Matches a summary of a change from 0."""

READABLE = (SettingType.TEXT, SettingType.URL, SettingType.TEXTS)
EXAMPLES = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


class ServingConformance(FenceLaws):
    """Subclass it as ``Test…``, and define ``adapter`` and ``samples``."""

    exceptions: Mapping[tuple[str, str], str] = {}
    """Laws that this adapter does not keep: the reason, by (name of the test, name of the sample)."""

    def adapter(self) -> Serving:
        """A new adapter, made as the engine makes it: ``Acme(wiring(Acme, …))``. The kit calls no method that does
        I/O."""
        raise NotImplementedError

    def samples(self) -> Sequence[Sample]:
        """Endpoints as the adapter reads them."""
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Run every law with a ``sample`` argument once for each sample. Called by pytest."""
        import pytest

        if "sample" not in metafunc.fixturenames:
            return
        law = metafunc.function.__name__
        marked = [
            pytest.param(
                one,
                id=one.name,
                marks=[pytest.mark.xfail(reason=reason, strict=True, raises=AssertionError)]
                if (reason := self.exceptions.get((law, one.name)))
                else [],
            )
            for one in _samples(type(self))
        ]
        metafunc.parametrize("sample", marked)

    # ── the class ───────────────────────────────────────────────────────────────────────────────────────────────

    def test_the_class_is_written_for_this_contract(self) -> None:
        cls = type(self.adapter())
        stated = contract_of(cls)
        assert stated == CONTRACT_VERSION, f"{cls.__name__} states CONTRACT = {stated}, and this is {CONTRACT_VERSION}"

    def test_the_class_has_every_method_of_the_contract(self) -> None:
        adapter = self.adapter()
        missing = [name for name in (*methods(Serving), "probe", "close") if not callable(getattr(adapter, name, None))]
        assert not missing, f"{type(adapter).__name__} has no {', '.join(missing)}"

    def test_making_it_does_no_io(self) -> None:
        self.adapter()  # the first instance may import modules, which reads files
        with no_io():
            self.adapter()

    def test_settings_are_told_apart_and_secrets_are_secrets(self) -> None:
        declared = options_of(type(self.adapter())).SETTINGS
        keys = [one.key for one in declared]
        assert len(keys) == len(set(keys)), f"a setting is declared twice: {keys}"
        assert not [one.key for one in declared if not one.help.strip()], "every setting says what it is for"
        open_ones = [one.key for one in declared if SECRETS.search(one.key) and one.type in READABLE]
        assert not open_ones, (
            f"{open_ones} would be plain text in the configuration file: make their type SettingType.SECRET"
        )

    def test_every_exception_names_a_law_and_a_sample(self) -> None:
        names = {one.name for one in self.samples()}
        unknown = [one for one in self.exceptions if not hasattr(self, one[0]) or one[1] not in names]
        assert not unknown, f"these exceptions name no law or no sample: {unknown}"
        assert all(self.exceptions.values()), "every exception has a reason"

    # ── what is read ────────────────────────────────────────────────────────────────────────────────────────────

    def test_an_endpoint_says_only_what_is_known(self, sample: Sample) -> None:
        endpoint = sample.endpoint
        names = [one.name for one in endpoint.variants]
        assert len(names) == len(set(names)), f"two variants have one name: {names}"
        releases = [one.id for one in endpoint.releases]
        assert len(releases) == len(set(releases)), f"two releases have one id: {releases}"
        assert sum(one.current for one in endpoint.releases) <= 1, "one release at most is the current one"
        for one in endpoint.variants:
            assert one.measured is None, "what was measured is filled in by the join of metrics, never by an adapter"
            for weight in (one.desired, one.observed, one.mirror):
                assert weight is None or 0 <= weight <= 100.01, f"{one.name} has {weight} %"

    def test_every_refusal_has_words(self, sample: Sample) -> None:
        empty = [str(action) for action, reason in sample.endpoint.actions.items() if reason is not None and not reason]
        assert not empty, f"{empty} are refused without a reason"

    # ── compile ─────────────────────────────────────────────────────────────────────────────────────────────────

    def test_compile_is_pure(self, sample: Sample) -> None:
        for change in every_change(sample):
            pure(outcome, self.adapter, sample.endpoint, change)

    def test_compile_raises_only_rejected_and_unsupported_with_words(self, sample: Sample) -> None:
        adapter = self.adapter()
        for change in (*every_change(sample), *nonsense(sample.endpoint)):
            found = outcome(adapter, sample.endpoint, change)
            if isinstance(found, BackendError):
                assert isinstance(found, Rejected | Unsupported), f"{change}: {found!r}"
                assert is_words(found.message), f"{change}: {found.message!r}"
                assert SECRET not in f"{found.message} {found.hint}", f"{change}: a secret is shown"

    def test_what_is_available_compiles(self, sample: Sample) -> None:
        adapter = self.adapter()
        for action, changes in tried(sample.endpoint, sample.changes).items():
            if sample.endpoint.actions.get(action, "") is None:
                refused = [(change, outcome(adapter, sample.endpoint, change)) for change in changes]
                assert any(not isinstance(one, BackendError) for _, one in refused), (
                    f"{action} is available, but no change that was tried compiles: {refused}"
                )

    def test_what_is_not_available_is_refused(self, sample: Sample) -> None:
        adapter, endpoint = self.adapter(), sample.endpoint
        for action, changes in tried(endpoint, sample.changes).items():
            if endpoint.actions.get(action, "") is not None:
                for change in changes:
                    assert isinstance(outcome(adapter, endpoint, change), BackendError), f"{change} compiles"

    def test_an_action_is_refused_for_the_reason_that_the_endpoint_gives(self, sample: Sample) -> None:
        """Reasons are also added outside of the adapter: a missing permission, an owner."""
        adapter, reason = self.adapter(), "because the conformance kit says so"
        for change, _ in compiled(adapter, sample):
            action = action_of(change)
            refused = replace(sample.endpoint, actions={**sample.endpoint.actions, action: reason})
            error = outcome(adapter, refused, change)
            assert isinstance(error, BackendError), f"{change} compiles though {action} is refused"
            assert reason in error.message, f"{change}: {error.message!r} does not say why"
            others = {one: None for one in sample.endpoint.actions if one is not action}
            assert isinstance(outcome(adapter, replace(sample.endpoint, actions=others), change), BackendError), (
                f"{change} compiles though the endpoint knows no {action}"
            )

    def test_nonsense_is_refused(self, sample: Sample) -> None:
        adapter = self.adapter()
        for change in nonsense(sample.endpoint):
            found = outcome(adapter, sample.endpoint, change)
            assert isinstance(found, BackendError), f"{change} compiles to {found}"

    def test_only_what_fits_compiles_whatever_the_numbers(self, sample: Sample) -> None:
        adapter = self.adapter()

        @EXAMPLES
        @given(any_change(sample.endpoint))
        def holds(change: Change) -> None:
            found = outcome(adapter, sample.endpoint, change)
            if isinstance(found, BackendError):
                assert is_words(found.message), f"{change}: {found.message!r}"
            else:
                assert makes_sense(sample.endpoint, change), f"{change} compiles to {found}"
                complete(found, sample.endpoint, change)

        holds()

    def test_calls_show_what_they_send(self, sample: Sample) -> None:
        for change, calls in compiled(self.adapter(), sample):
            complete(calls, sample.endpoint, change)

    def test_unknown_numbers_do_not_become_zero_in_calls(self, sample: Sample) -> None:
        adapter, unknown = self.adapter(), blanked(sample.endpoint)
        for change, calls in compiled(adapter, sample):
            found = outcome(adapter, unknown, change)
            if isinstance(found, BackendError):
                assert isinstance(found, Rejected | Unsupported), f"{change}: {found!r}"
                continue
            known = sum(len(FROM_NOTHING.findall(call.summary)) for call in calls)
            told = [call.summary for call in found]
            assert sum(len(FROM_NOTHING.findall(one)) for one in told) <= known, (
                f"an unknown number is shown as 0: {told}"
            )

    def test_compile_takes_whatever_is_not_known(self, sample: Sample) -> None:
        adapter, changes = self.adapter(), every_change(sample)

        @EXAMPLES
        @given(partly_known(sample.endpoint), st.sampled_from(changes))
        def holds(endpoint: Endpoint, change: Change) -> None:
            found = outcome(adapter, endpoint, change)
            assert not isinstance(found, BackendError) or isinstance(found, Rejected | Unsupported), found

        holds()

    def test_a_forecast_is_pure_and_adds_up(self, sample: Sample) -> None:
        adapter = self.adapter()
        if not isinstance(adapter, Forecasts):
            return
        for change, _ in compiled(adapter, sample):
            pure(_forecast, self.adapter, sample.endpoint, change)
            weights = adapter.forecast(sample.endpoint, change).weights
            if weights is not None:
                known = {one.name for one in sample.endpoint.variants}
                assert weights.keys() <= known, f"{change}: {weights} names a variant that does not exist"
                assert all(0 <= one <= 100.01 for one in weights.values()), f"{change}: {weights}"

    # ── progress ────────────────────────────────────────────────────────────────────────────────────────────────

    def test_progress_is_pure(self, sample: Sample) -> None:
        for change, calls in compiled(self.adapter(), sample):
            for now in (sample.endpoint, *played(sample, calls)):
                pure(progress, self.adapter, sample.endpoint, now, change)

    def test_an_unchanged_endpoint_is_not_settled(self, sample: Sample) -> None:
        adapter = self.adapter()
        for change, _ in compiled(adapter, sample):
            found = progress(adapter, sample.endpoint, sample.endpoint, change)
            assert not isinstance(found, Settled), f"{change}: nothing has changed, and it is {found}"

    def test_what_is_taken_but_not_in_effect_is_not_settled(self, sample: Sample) -> None:
        if sample.taken is None:
            return
        adapter = self.adapter()
        for change, calls in compiled(adapter, sample):
            now = sample.taken(calls)
            if now is not None:
                found = progress(adapter, sample.endpoint, now, change)
                assert not isinstance(found, Settled), f"{change}: it is not in effect yet, and it is {found}"

    def test_what_is_in_effect_is_settled(self, sample: Sample) -> None:
        adapter = self.adapter()
        for change, _, now in finished(adapter, sample):
            found = progress(adapter, sample.endpoint, now, change)
            assert isinstance(found, Settled), f"{change}: it is in effect, and {found}"

    def test_another_change_does_not_settle_this_one(self, sample: Sample) -> None:
        adapter = self.adapter()
        ends = list(finished(adapter, sample))
        for change, _, wanted in ends:
            for other, _, now in ends:
                if about(change, now) != about(change, wanted):
                    found = progress(adapter, sample.endpoint, now, change)
                    assert not isinstance(found, Settled), f"{other} was made, and {change} is {found}"

    def test_what_was_rolled_back_from_is_not_offered_again(self, sample: Sample) -> None:
        """Else a second rollback puts the broken release back. Mark it as not good, or list it as newer than the
        current release."""
        adapter = self.adapter()
        for change, _, now in finished(adapter, sample):
            again = offered_again(sample.endpoint, change, now)
            assert not again, f"{change} left release {', '.join(again)}, which is offered as if nothing had happened"

    def test_a_change_whose_target_is_gone_is_not_settled(self, sample: Sample) -> None:
        adapter = self.adapter()
        for change, _, now in finished(adapter, sample):
            if gone := targets(change):
                found = progress(adapter, sample.endpoint, without(now, gone), change)
                assert not isinstance(found, Settled), f"{change}: {', '.join(gone)} is gone, and it is {found}"

    def test_unknown_weights_settle_no_split(self, sample: Sample) -> None:
        adapter = self.adapter()
        states = [(change, sample.endpoint) for change, _ in compiled(adapter, sample)]
        states += [(change, now) for change, _, now in finished(adapter, sample)]
        for change, now in states:
            if isinstance(change, Split | Promote | Rollback):
                found = progress(adapter, sample.endpoint, blanked(now), change)
                assert not isinstance(found, Settled), f"{change}: no weight is known, and it is {found}"

    def test_progress_takes_whatever_is_not_known(self, sample: Sample) -> None:
        adapter = self.adapter()
        pairs = list(compiled(adapter, sample))
        if not pairs:
            return
        states = [sample.endpoint, *(one for _, calls in pairs for one in played(sample, calls))]

        @EXAMPLES
        @given(st.data())
        def holds(data: st.DataObject) -> None:
            change, _ = data.draw(st.sampled_from(pairs))
            before = data.draw(partly_known(sample.endpoint))
            now = data.draw(st.sampled_from(states).flatmap(partly_known))
            progress(adapter, before, now, change)

        holds()


def _forecast(adapter: Serving, endpoint: Endpoint, change: Change) -> Forecast:
    assert isinstance(adapter, Forecasts)
    return adapter.forecast(endpoint, change)


_made: dict[type, tuple[Sample, ...]] = {}


def _samples(suite: type[ServingConformance]) -> tuple[Sample, ...]:
    """The samples of a suite, made once: every law asks for them, and making them may take long."""
    if suite not in _made:
        _made[suite] = tuple(suite().samples())
    return _made[suite]
