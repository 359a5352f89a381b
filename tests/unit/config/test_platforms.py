"""``[contexts.CONTEXT.platforms.NAME]``: where several sources are, said once."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from backends.platforms.kubernetes.cluster import acquire, release
from backends.serving.deployment import DeploymentOptions
from backends.serving.kserve import KServeServing
from backends.serving.kubernetes import KubernetesOptions
from shiftdeck.config.loader import Config, ConfigErrors, adapter_settings, parse, sketch
from shiftdeck.config.template import SampleContext, SampleSource, on_platforms, render_config

PATH = Path("/etc/shiftdeck/config.toml")

CLUSTER = """
[contexts.prod.platforms.eu]
type = "kubernetes"
kubeconfig = "eu.yaml"
context = "prod-eu"
page = 50
"""

TWO = """
[contexts.prod.serving.kserve]
platform = "eu"

[contexts.prod.serving.plain]
adapter = "deployment"
platform = "eu"
selector = "team=ml"
"""


def read(text: str) -> Config:
    return parse(text, PATH)


def refused(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as raised:
        read(text)
    return [str(error).removeprefix(str(PATH)) for error in raised.value.errors]


def test_sources_take_over_what_their_platform_says() -> None:
    context = read(CLUSTER + TWO).contexts["prod"]
    assert (context.platforms["eu"].type, context.platforms["eu"].options["context"]) == ("kubernetes", "prod-eu")
    for source in context.sources:
        assert source.platform == "eu"
        taken = {key: source.options[key] for key in ("kubeconfig", "context", "impersonate", "page")}
        assert taken == {
            "kubeconfig": Path("/etc/shiftdeck/eu.yaml"),
            "context": "prod-eu",
            "impersonate": None,
            "page": 50,
        }
    assert context.sources[1].options["selector"] == "team=ml"


def test_sources_on_one_platform_share_the_cluster() -> None:
    first, second = read(CLUSTER + TWO).contexts["prod"].sources
    one = cast("KubernetesOptions", KServeServing.OPTIONS(first.timeout_s, **first.options))
    other = DeploymentOptions(second.timeout_s, **second.options)
    clusters = [acquire(one.account), acquire(other.account)]
    try:
        assert clusters[0] is clusters[1]
    finally:
        for cluster in clusters:
            release(cluster)


def test_without_a_platform_a_source_says_it_itself() -> None:
    (source,) = read('[contexts.prod.serving.kserve]\ncontext = "mine"\n').contexts["prod"].sources
    assert (source.platform, source.options["context"], source.options["page"]) == ("", "mine", 200.0)


def test_what_a_platform_says_is_not_said_again() -> None:
    (error,) = refused(CLUSTER + '[contexts.prod.serving.kserve]\nplatform = "eu"\ncontext = "other"\n')
    assert error == ":9: contexts.prod.serving.kserve.context: the platform 'eu' says this: leave it out here"


def test_an_unknown_platform_names_those_that_there_are() -> None:
    (error,) = refused(CLUSTER + '[contexts.prod.serving.kserve]\nplatform = "us"\n')
    assert error == (
        ":8: contexts.prod.serving.kserve.platform: there is no platform 'us' in this context (accepted: eu)"
    )
    (error,) = refused('[contexts.prod.serving.kserve]\nplatform = "us"\n')
    assert error.endswith("there is no platform in this context to name: add [contexts.prod.platforms.NAME]")


def test_a_platform_of_another_type_is_refused() -> None:
    edge = '[contexts.prod.platforms.edge]\ntype = "haproxy"\nsocket = "/run/haproxy.sock"\n'
    (error,) = refused(CLUSTER + edge + '[contexts.prod.serving.kserve]\nplatform = "edge"\n')
    assert error == (
        ":11: contexts.prod.serving.kserve.platform: 'edge' is of type haproxy, and the adapter 'kserve' is on one of "
        "kubernetes (accepted: eu)"
    )


def test_an_adapter_that_is_on_no_platform_says_so() -> None:
    (error,) = refused(CLUSTER + '[contexts.prod.serving.lab]\nurl = "http://127.0.0.1:1"\nplatform = "eu"\n')
    assert error == ":9: contexts.prod.serving.lab.platform: the adapter 'lab' takes nothing from a platform"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            "",
            "contexts.prod.platforms.eu: 'type' is missing: what kind of platform it is (accepted: haproxy",
        ),
        (
            'type = "kubernets"',
            "no type of platform 'kubernets', did you mean 'kubernetes'? Known are: haproxy, kubern",
        ),
        ('type = "kubernetes"\ncontxt = "a"', "unknown key, did you mean 'context'? (accepted: type, kubeconfig, cont"),
        ('type = "kubernetes"\npage = "many"', "platforms.eu.page: write a number without quotes, not a text"),
        ('type = "haproxy"', "contexts.prod.platforms.eu: 'socket' is missing: HAProxy's stats socket"),
    ],
)
def test_what_is_wrong_with_a_platform_is_said_once_and_there(table: str, said: str) -> None:
    source = "haproxy" if "haproxy" in table else "kserve"
    (error,) = refused(f'[contexts.prod.platforms.eu]\n{table}\n[contexts.prod.serving.{source}]\nplatform = "eu"\n')
    assert said in error


@pytest.mark.parametrize(
    "text", ["platforms = 1", "[contexts.prod.platforms]\neu = 1", '[contexts.prod.platforms."a b"]']
)
def test_what_is_no_table_of_platforms_is_told(text: str) -> None:
    head = "[contexts.prod]\n" if text.startswith("platforms") else ""
    errors = refused(f"{head}{text}\n[contexts.prod.serving.kserve]\n")
    assert any("write a table for each platform" in one or "a name is letters" in one for one in errors)


def test_haproxy_is_named_once_for_what_serves_and_what_counts() -> None:
    context = read(
        '[contexts.x.platforms.edge]\ntype = "haproxy"\nsocket = "/run/haproxy.sock"\nscope = "edge"\n'
        '[contexts.x.serving.haproxy]\nplatform = "edge"\n'
        '[contexts.x.metrics.haproxy]\nplatform = "edge"\nretention = "10m"\n'
    ).contexts["x"]
    assert [(one.options["socket"], one.options["scope"]) for one in context.sources] == [
        ("/run/haproxy.sock", "edge"),
        ("/run/haproxy.sock", "edge"),
    ]


def test_a_sketch_knows_platforms_without_their_options(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(CLUSTER + TWO)
    config, complete = sketch(path)
    assert config.contexts["prod"].platforms["eu"].options == {}
    assert complete().contexts["prod"].sources[0].options["context"] == "prod-eu"


def found(name: str, **table: object) -> SampleSource:
    return SampleSource("serving", name, table)


def test_what_is_found_twice_on_one_cluster_is_written_once() -> None:
    sources = (
        found("kserve", context="prod", kubeconfig="/k"),
        found("rollouts", context="prod", kubeconfig="/k", selector="a=b"),
        found("knative", context="other"),
        found("lab", url="http://127.0.0.1:1"),
    )
    context = on_platforms(SampleContext("production", sources), adapter_settings)
    text = render_config([context], adapter_settings)
    made = read(text).contexts["production"]
    assert [(one.name, one.platform, one.options.get("context")) for one in made.sources] == [
        ("kserve", "kubernetes", "prod"),
        ("rollouts", "kubernetes", "prod"),
        ("knative", "", "other"),
        ("lab", "", None),
    ]
    assert made.sources[1].options["selector"] == "a=b"
    assert text.count('kubeconfig = "/k"') == 1


def test_what_is_found_once_is_written_where_it_is() -> None:
    context = SampleContext("production", (found("kserve", context="prod"), found("lab", url="http://127.0.0.1:1")))
    assert on_platforms(context, adapter_settings) == context
    assert '# platform = "…"    # the platform of this context that says' in render_config([context], adapter_settings)


def test_sources_that_say_nothing_of_where_they_are_need_no_platform() -> None:
    context = SampleContext("production", (found("kserve"), found("rollouts")))
    assert on_platforms(context, adapter_settings) == context
