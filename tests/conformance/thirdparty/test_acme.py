"""Acme's adapter obeys the laws of shiftdeck's conformance kit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

from shiftdeck_acme import AcmeServing, Kept, Weights, explain

from backends.conformance import Sample, ServingConformance, wiring
from backends.contracts import Call, Endpoint, EndpointRef, Serving

REF = EndpointRef("acme", "", "churn")


def sample(name: str, weights: Weights) -> Sample:
    def asked(calls: Sequence[Call]) -> Weights:
        (call,) = calls
        return cast("Weights", json.loads(json.dumps(call.body))["weights"])

    return Sample(
        name,
        explain(REF, Kept(weights, weights)),
        taken=lambda calls: explain(REF, Kept(asked(calls), weights, 2)),
        done=lambda calls: explain(REF, Kept(asked(calls), asked(calls), 2)),
        server=lambda: Played(weights),
    )


class Played:
    """Acme with that split: it is in memory anyway."""

    def __init__(self, weights: Weights) -> None:
        self._acme = AcmeServing(wiring(AcmeServing), {"churn": Kept(dict(weights), dict(weights))})

    def read(self) -> Endpoint:
        found: Endpoint = self._acme.read(REF)
        return found

    def send(self, call: Call) -> None:
        self._acme.send(call)


class TestAcme(ServingConformance):
    def adapter(self) -> Serving:
        made: Serving = AcmeServing(wiring(AcmeServing))
        return made

    def samples(self) -> Sequence[Sample]:
        return [
            sample("a canary", {"v1": 90.0, "v2": 10.0}),
            sample("three versions", {"v1": 50.0, "v2": 25.0, "v3": 25.0}),
            sample("one version", {"v1": 100.0}),
        ]
