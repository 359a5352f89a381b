"""Every serving adapter of ours obeys the laws of the conformance kit."""

from __future__ import annotations

from collections.abc import Sequence

from backends.conformance import Sample, ServingConformance
from backends.contracts import Serving
from tests.conformance.ours import SERVING, adapter_of, samples_of

UNCHANGED = "test_an_unchanged_endpoint_is_not_settled"
TAKEN = "test_what_is_taken_but_not_in_effect_is_not_settled"
GONE = "test_a_change_whose_target_is_gone_is_not_settled"
UNKNOWN = "test_unknown_weights_settle_no_split"
SHOWN = "test_calls_show_what_they_send"

Exceptions = dict[tuple[str, str], str]


def _each(laws: Sequence[str], samples: Sequence[str], reason: str) -> Exceptions:
    return {(law, sample): reason for law in laws for sample in samples}


GATED = ("under analysis", "waiting at its gate", "waiting for its promotion")
EXCEPTIONS: dict[str, Exceptions] = {
    "flagger": {
        **_each([UNCHANGED, TAKEN], GATED, "a load tester's gate cannot be read: its answer is the effect"),
        **_each([SHOWN], GATED, "the gates of Flagger's load tester take no guard"),
    },
    "seldon": _each([TAKEN], ["two predictors", "a shadow"], "a SeldonDeployment's status names no generation"),
    "seldon2": _each(
        [TAKEN], ["two candidates and a mirror", "two candidates"], "an Experiment's status names no generation"
    ),
    "haproxy": _each(
        [GONE, UNKNOWN],
        ["two servers", "shifted from its configuration"],
        "progress reads the servers themselves, of which nothing is unknown",
    ),
    "triton": _each(
        [GONE, UNKNOWN],
        ["the newest of two answers", "the newest is not loaded"],
        "progress reads the versions themselves, of which nothing is unknown",
    ),
    "llminference": _each(
        [GONE, UNKNOWN], ["two members"], "progress reads the members themselves, of which nothing is unknown"
    ),
}
"""By adapter: what it does not keep, and why."""


def _suite(name: str) -> type[ServingConformance]:
    class Suite(ServingConformance):
        exceptions = EXCEPTIONS.get(name, {})

        def adapter(self) -> Serving:
            return adapter_of(name)

        def samples(self) -> Sequence[Sample]:
            return samples_of(name)

    Suite.__name__ = Suite.__qualname__ = f"Test_{name}"
    return Suite


for _name in SERVING:
    globals()[f"Test_{_name}"] = _suite(_name)
