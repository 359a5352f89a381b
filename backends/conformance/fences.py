"""The laws of adapters that can fence a lost call (``Fences``)."""

from __future__ import annotations

import json
from dataclasses import replace

from backends.conformance.inputs import SECRET, Sample
from backends.conformance.trying import compiled, is_words, pure
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
                server.send(fence)
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
            server.send(fence)
            for call in adapter.compile(server.read(), change):
                try:
                    server.send(call)
                except BackendError as error:
                    raise AssertionError(f"{change}: after a fence, a new plan is refused: {error}") from None


def _fence(adapter: Serving, endpoint: Endpoint, lost: Call) -> Call | None:
    assert isinstance(adapter, Fences)
    return adapter.fence(endpoint, lost)


def _traffic(endpoint: Endpoint) -> object:
    return [(one.name, one.role, one.desired, one.observed, one.mirror) for one in endpoint.variants]
