"""What pods run, read from a real API server, against what a real container registry has: through the engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from backends.contracts import EndpointRef
from backends.platforms.kubernetes import pods
from backends.platforms.kubernetes.client import KubeClient
from backends.platforms.kubernetes.kinds import DEPLOYMENT, POD
from shiftdeck.config.loader import parse
from shiftdeck.engine.engine import Engine
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import VariantView
from shiftdeck.fleet.image_tag import finding
from shiftdeck.journal.journal import Journal
from tests.kube.apiserver import ApiServer
from tests.kube.workloads import DeploymentController
from tests.realservers.processes import Server
from tests.realservers.registry import Pusher, registry

SEEN_S = 60.0


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = registry(tmp_path_factory.mktemp("registry")).start()
    yield one
    one.stop()


def running_pod(server: ApiServer, namespace: str, name: str, image: str, digest: str) -> None:
    status = {"name": "main", "image": image, "imageID": f"{image.rpartition(':')[0]}@{digest}", "ready": True}
    status |= {"restartCount": 0, "started": True}
    server.create(
        POD,
        {
            "metadata": {"namespace": namespace, "name": name},
            "spec": {"containers": [{"name": "main", "image": image}]},
            "status": {"phase": "Running", "containerStatuses": [status]},
        },
    )


def test_pods_that_run_what_the_tag_was(
    apiserver: ApiServer, images: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace = apiserver.namespace("images")
    image = f"{images.url.removeprefix('http://')}/models/eta:v1"
    pusher = Pusher(images.url)
    old = pusher.image("models/eta", "v1", "as deployed")
    template = {
        "metadata": {"labels": {"app": "eta"}},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "eta"}}, "template": template}
    metadata = {"namespace": namespace, "name": "eta", "labels": {"shiftdeck.io/endpoint": "true"}}
    with DeploymentController(apiserver, namespace):
        apiserver.create(DEPLOYMENT, {"metadata": metadata, "spec": spec})
        for number in range(3):
            running_pod(apiserver, namespace, f"eta-{number}", image, old)
        monkeypatch.setattr(pods, "PAGE", 1)  # three pages
        client = KubeClient(apiserver.kubeconfig())
        assert pods.running_images(pods.running_pods(client, namespace)) == {image: (old,)}
        client.close()
        config = parse(
            f"""
[contexts.kube.serving.deployments]
adapter = "deployment"
kubeconfig = "{apiserver.kubeconfig()}"
namespaces = ["{namespace}"]
[contexts.kube.images.registry]
adapter = "oci"
url = "{images.url}"
every = "500ms"
""",
            tmp_path / "shiftdeck.toml",
            default_journal=tmp_path / "journal.jsonl",
        )
        engine = Engine(config.contexts["kube"], Journal(config.journal))
        engine.start()
        try:

            def told(view: View, moved: bool) -> VariantView | None:
                endpoint = view.endpoint(EndpointRef("deployments", namespace, "eta"))
                found = [
                    one
                    for one in (endpoint.variants if endpoint else ())
                    if (words := finding(one)) is not None and words.moved is moved
                ]
                return found[0] if found else None

            assert engine.wait_for(lambda view: told(view, moved=False) is not None, SEEN_S), engine.view.sources
            pusher.image("models/eta", "v1", "pushed since")
            view = engine.wait_for(lambda view: told(view, moved=True) is not None, SEEN_S)
            assert view is not None, engine.view.sources
            seen = told(view, moved=True)
            assert seen is not None
            assert seen.variant.running == (old,)
        finally:
            engine.stop(0.0)
