"""Whoever is on call for some namespaces only, and whoever lacks a permission: what may be read is shown, and what is
missing is named rightly."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from backends.contracts import Endpoint, EndpointRef, Probe, ProbeKind, Split
from backends.errors import BackendError, Forbidden, Malformed
from backends.platforms.kubernetes.kinds import Kind
from backends.serving.kserve import KServeServing
from tests.contract.test_kube_outages import create
from tests.kube.apiserver import ApiServer
from tests.kube.shell import wiring
from tests.waiting import wait_until

ROLE = Kind("rbac.authorization.k8s.io", "v1", "roles", "Role")
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
SERVICES = "inferenceservices.serving.kserve.io"
ALL = ("get", "list", "watch", "patch")
_numbers = count(1)


@pytest.fixture
def namespaces(apiserver: ApiServer) -> tuple[str, str]:
    """Two, each with an InferenceService."""
    apiserver.apply_crd("kserve-inferenceservices")
    apiserver.apply_crd("knative-services")
    made = apiserver.namespace("team-a"), apiserver.namespace("team-b")
    for one in made:
        create(apiserver, one, "churn")
    return made


@pytest.fixture
def opened() -> Iterator[list[KServeServing]]:
    made: list[KServeServing] = []
    yield made
    for one in made:
        one.close()


def on_call(server: ApiServer, namespace: str, verbs: tuple[str, ...] = ALL) -> str:
    """A new user with these rights on InferenceServices in that namespace, and no others."""
    name = f"on-call-{next(_numbers)}"
    rule = {"apiGroups": ["serving.kserve.io"], "resources": ["inferenceservices"], "verbs": list(verbs)}
    metadata = {"name": name, "namespace": namespace}
    server.create(ROLE, {"metadata": metadata, "rules": [rule]})
    reference = {"apiGroup": ROLE.group, "kind": "Role", "name": name}
    subject = {"kind": "User", "name": name, "apiGroup": ROLE.group}
    server.create(ROLE_BINDING, {"metadata": metadata, "roleRef": reference, "subjects": [subject]})
    return name


def serving_of(server: ApiServer, user: str, opened: list[KServeServing], *namespaces: str) -> KServeServing:
    made = KServeServing(wiring(server, "", namespaces=namespaces, impersonate=user, timeout=20.0))
    opened.append(made)
    return made


def refs(endpoints: tuple[Endpoint, ...]) -> list[str]:
    return [str(one.ref) for one in endpoints]


def of_kind(found: tuple[Probe, ...], kind: ProbeKind) -> list[Probe]:
    return [one for one in found if one.kind is kind]


@pytest.mark.parametrize("forbidden_first", [False, True])
def test_a_namespace_that_may_not_be_read_hides_no_other(
    apiserver: ApiServer, namespaces: tuple[str, str], opened: list[KServeServing], forbidden_first: bool
) -> None:
    mine, other = namespaces
    order = (other, mine) if forbidden_first else (mine, other)
    serving = serving_of(apiserver, on_call(apiserver, mine), opened, *order)
    assert refs(serving.endpoints()) == [f"k8s:{mine}/churn"]
    assert f"{SERVICES} are not read: forbidden: list on {SERVICES} in {other}" in serving.remarks()
    reads = [one for one in of_kind(serving.probe(), ProbeKind.READ) if SERVICES in one.detail]
    assert [(one.ok, one.detail) for one in reads] == [
        (False, f"forbidden: list, watch, get on {SERVICES} in {other}"),
        (True, f"{SERVICES} can be listed and watched in {mine}"),
    ]
    assert f"a role in {other} with apiGroups [serving.kserve.io]" in reads[0].hint


def test_rights_in_one_namespace_only_have_the_setting_suggested(
    apiserver: ApiServer, namespaces: tuple[str, str], opened: list[KServeServing]
) -> None:
    serving = serving_of(apiserver, on_call(apiserver, namespaces[0]), opened)
    with pytest.raises(Forbidden, match="in all namespaces") as forbidden:
        serving.endpoints()
    assert "set namespaces = [" in forbidden.value.hint
    read = next(one for one in of_kind(serving.probe(), ProbeKind.READ) if SERVICES in one.detail)
    assert "set namespaces = [" in read.hint
    assert "a cluster role with" in read.hint


def test_a_kind_that_only_helps_to_explain_keeps_no_change_from_being_made(
    apiserver: ApiServer, namespaces: tuple[str, str], opened: list[KServeServing]
) -> None:
    mine, _ = namespaces
    serving = serving_of(apiserver, on_call(apiserver, mine), opened, mine)
    assert refs(serving.endpoints()) == [f"k8s:{mine}/churn"]
    assert any("revisions.serving.knative.dev are not read: forbidden" in one for one in serving.remarks())
    endpoint = serving.read(EndpointRef("k8s", mine, "churn"))
    names = [one.name for one in endpoint.variants]
    (call,) = serving.compile(endpoint, Split({names[0]: 80.0, names[1]: 20.0}))
    serving.send(call)
    spec: Any = apiserver.get(Kind("serving.kserve.io", "v1beta1", "inferenceservices", ""), mine, "churn")["spec"]
    assert spec["predictor"]["canaryTrafficPercent"] == 20


def test_it_is_watch_that_is_missing(
    apiserver: ApiServer, namespaces: tuple[str, str], opened: list[KServeServing]
) -> None:
    mine, _ = namespaces
    serving = serving_of(apiserver, on_call(apiserver, mine, ("get", "list")), opened, mine)

    def refused() -> str:
        try:
            serving.endpoints()
        except BackendError as error:
            return error.message
        return ""

    assert wait_until(refused, 30, "the refusal") == f"forbidden: watch on {SERVICES} in {mine}"


@pytest.mark.parametrize("own", [True, False], ids=["with a namespace", "without"])
def test_init_writes_no_source_that_may_not_be_read(
    apiserver: ApiServer, namespaces: tuple[str, str], tmp_path: Path, own: bool
) -> None:
    """With the namespace of the kubeconfig's context where that is the one that may be read."""
    user = on_call(apiserver, namespaces[0])
    config = yaml.safe_load(apiserver.kubeconfig("admin").read_text())
    config["users"][0]["user"]["as"] = user
    if own:
        config["contexts"][0]["context"]["namespace"] = namespaces[0]
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    found = KServeServing.discover({"KUBECONFIG": str(path), "HOME": str(tmp_path)})
    assert found is not None
    if own:
        assert found.table is not None
        assert found.table["namespaces"] == [namespaces[0]]
        assert f"that you may list in {namespaces[0]} only" in found.words
    else:
        assert found.table is None
        assert "you may not list them in all namespaces: add a source with namespaces" in found.words


@pytest.mark.parametrize("at", ["v1", "v1beta1"])
def test_a_kind_at_another_version_makes_the_source_malformed_and_not_empty(
    apiserver: ApiServer, opened: list[KServeServing], monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The adapter reads ``at``; the real definition has v1beta1."""
    apiserver.apply_crd("kserve-inferenceservices")
    namespace = apiserver.namespace("versions")
    create(apiserver, namespace, "churn")
    system = KServeServing.system
    other = system.kinds[0]._replace(version=at)
    monkeypatch.setattr(type(system), "kinds", (other, *system.kinds[1:]))
    serving = KServeServing(wiring(apiserver, namespace, timeout=20.0))
    opened.append(serving)
    if at == "v1beta1":
        assert refs(serving.endpoints()) == [f"k8s:{namespace}/churn"]
        return
    words = f"{SERVICES} is served as v1beta1 only, and is read as v1"
    with pytest.raises(Malformed, match=words):
        serving.endpoints()
    read = next(one for one in of_kind(serving.probe(), ProbeKind.READ) if SERVICES in one.detail)
    assert (read.ok, read.detail) == (False, words)
    assert "install its CRD" not in read.hint
    found = serving.discover({"KUBECONFIG": str(apiserver.kubeconfig("admin")), "HOME": "/nonexistent"})
    assert found is not None
    assert found.table is None
    assert words in found.words
