"""Gates and prices in the configuration file."""

from __future__ import annotations

import pytest

from backends.contracts import EndpointRef
from shiftdeck.config.loader import ContextConfig, Gates, MetricGate, Weight
from tests.unit.config.test_loader import complaint, context

LAB = '[contexts.lab.serving.lab]\nurl = "http://127.0.0.1:1"\n'

WHOLE = """
[contexts.lab.gates]
signature = "block"
schema = "off"
tags = { security_scan = "passed", review = ["yes", "waived*"] }
max_cost = 40
otherwise = "warn"

[contexts.lab.gates.metrics]
f1 = { min = "champion", slack = 0.005 }
rmse = { max = 4.2, otherwise = "block" }

[contexts.lab.gates.endpoints."lab:prod/*"]
tags = { review = "off" }
instance = "g5.xlarge"

[contexts.lab.gates.endpoints."lab:prod/fraud"]
metrics = { f1 = "off" }
max_cost = "off"
otherwise = "block"

[contexts.lab.prices]
"g5.xlarge" = 1.21
"NVIDIA A100*" = 3.67
"""


def ref(text: str) -> EndpointRef:
    return EndpointRef.parse(text)


@pytest.fixture(scope="module")
def whole() -> ContextConfig:
    return context(WHOLE)


def test_gates_hold_for_all_endpoints(whole: ContextConfig) -> None:
    gates = whole.gates.for_endpoint(ref("lab:staging/churn"))
    assert gates == Gates(
        metrics={
            "f1": MetricGate(least="champion", slack=0.005, weight=Weight.WARN),
            "rmse": MetricGate(most=4.2, weight=Weight.BLOCK),
        },
        tags={"security_scan": ("passed",), "review": ("yes", "waived*")},
        tags_weight=Weight.WARN,
        signature=Weight.BLOCK,
        schema=Weight.OFF,
        max_cost=40.0,
        cost_weight=Weight.WARN,
        configured=True,
    )
    assert whole.gates.configured
    assert whole.prices == {"g5.xlarge": 1.21, "NVIDIA A100*": 3.67}


def test_a_pattern_says_what_differs_and_an_exact_endpoint_comes_first(whole: ContextConfig) -> None:
    churn = whole.gates.for_endpoint(ref("lab:prod/churn"))
    assert (set(churn.tags), churn.instance, churn.max_cost, set(churn.metrics)) == (
        {"security_scan"},
        "g5.xlarge",
        40.0,
        {"f1", "rmse"},
    )
    fraud = whole.gates.for_endpoint(ref("lab:prod/fraud"))
    assert (set(fraud.metrics), fraud.max_cost, fraud.tags_weight) == ({"rmse"}, None, Weight.BLOCK)


def test_without_gates_nothing_blocks() -> None:
    plain = context("").gates
    assert not plain.configured
    gates = plain.for_endpoint(ref("lab:prod/fraud"))
    assert (gates.schema, gates.signature, gates.metrics, gates.tags) == (Weight.WARN, Weight.OFF, {}, {})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            '[contexts.lab.gates]\nsignatur = "block"',
            "contexts.lab.gates.signatur: unknown key, did you mean 'signature'?",
        ),
        ('[contexts.lab.gates]\nschema = "yes"', "schema: not one of the accepted values (accepted: off, warn, block)"),
        ("[contexts.lab.gates.metrics]\nf1 = 0.9", 'f1: say what the metric has to be (accepted: { min = "champion" }'),
        ("[contexts.lab.gates.metrics]\nf1 = {}", "f1: neither min nor max"),
        ('[contexts.lab.gates.metrics]\nf1 = { min = "best" }', "whose metric it is compared with (accepted: champion"),
        ("[contexts.lab.gates.metrics]\nf1 = { min = 1, mx = 2 }", "metrics.f1.mx: unknown key, did you mean 'max'?"),
        ("[contexts.lab.gates]\ntags = { scan = true }", "tags.scan: write a text in quotes, not true or false"),
        ("[contexts.lab.gates]\ntags = { scan = [] }", "tags.scan: name at least one accepted value"),
        ("[contexts.lab.gates]\nmax_cost = -1", "max_cost: write a number that is not negative"),
        ('[contexts.lab.prices]\ng5 = "1.21"', "prices.g5: write a number without quotes, not a text"),
        ('[contexts.lab.gates.endpoints.fraud]\nschema = "off"', "'fraud' names no endpoints"),
        ('[contexts.lab.gates.endpoints."k:a/b"]\nschema = "off"', "no source 'k' in serving of this context"),
    ],
)
def test_what_is_wrong_is_named(body: str, said: str) -> None:
    found = complaint(f"{LAB}{body}\n")
    assert found.startswith("/etc/shiftdeck/config.toml:")
    assert said in found
