"""The laws of adapters that can fence a lost call (``Fences``)."""

from __future__ import annotations

import json
from dataclasses import replace

from backends.conformance.inputs import SECRET, Sample, Server
from backends.conformance.trying import compiled, is_words, outcome, pure
from backends.contracts import Call, Endpoint, Fences, Serving
from backends.errors import BackendError, Conflict


class FenceLaws:
    """A part of ``ServingConformance``."""

    def adapter(self) -> Serving:
        raise NotImplementedError

    def test_a_fence_is_pure_and_shows_what_it_sends(self, sample: Sample) -> None:
        adapter = self.adapter()
        if not isinstance(adapter, Fences):
            return
        for change, calls in compiled(adapter, sample):
            for lost in calls:
                pure(_fence, self.adapter, sample.endpoint, lost)
                fence = adapter.fence(sample.endpoint, lost)
                as_recorded = replace(lost, body=json.loads(json.dumps(lost.body, default=dict)))
                assert adapter.fence(sample.endpoint, as_recorded) == fence, (
                    f"{change}: the journal's record of the call has another fence"
                )
                if fence is not None:
                    for name in ("method", "path", "summary", "command"):
                        assert is_words(getattr(fence, name)), f"{change}: {name} is {getattr(fence, name)!r}"
                    shown = f"{fence!r} {json.dumps(fence.body, allow_nan=False, default=dict)}"
                    assert SECRET not in shown, f"{change}: a secret is shown"

    def test_after_a_fence_the_lost_call_conflicts_and_nothing_has_moved(self, sample: Sample) -> None:
        adapter = self.adapter()
        if sample.server is None or not isinstance(adapter, Fences):
            return
        for change, calls in compiled(adapter, sample):
            for number, lost in enumerate(calls):
                server = sample.server()
                for earlier in calls[:number]:
                    server.send(earlier)
                before = server.read()
                if (fence := adapter.fence(before, lost)) is None:
                    continue
                _take(server, fence, f"{change}: its fence")
                now = server.read()
                assert _traffic(now) == _traffic(before), f"{change}: the fence changed {before} to {now}"
                try:
                    server.send(lost)
                except Conflict:
                    continue
                raise AssertionError(f"{change}: {lost.summary!r} was applied after its fence {fence.summary!r}")

    def test_after_a_fence_a_new_plan_is_accepted(self, sample: Sample) -> None:
        adapter = self.adapter()
        if sample.server is None or not isinstance(adapter, Fences):
            return
        for change, (lost, *_) in compiled(adapter, sample):
            server = sample.server()
            if (fence := adapter.fence(server.read(), lost)) is None:
                continue
            _take(server, fence, f"{change}: its fence")
            calls = outcome(adapter, server.read(), change)
            assert not isinstance(calls, BackendError), f"{change}: after a fence there is no new plan: {calls}"
            for call in calls:
                _take(server, call, f"{change}: a new plan after a fence")


def _take(server: Server, call: Call, what: str) -> None:
    try:
        server.send(call)
    except BackendError as error:
        raise AssertionError(f"{what} is refused: {error}") from None


def _fence(adapter: Serving, endpoint: Endpoint, lost: Call) -> Call | None:
    assert isinstance(adapter, Fences)
    return adapter.fence(endpoint, lost)


def _traffic(endpoint: Endpoint) -> object:
    return [(one.name, one.role, one.desired, one.observed, one.mirror) for one in endpoint.variants]
