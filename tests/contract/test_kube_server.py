"""The test API server itself."""

from __future__ import annotations

from backends.platforms.kubernetes.kinds import Kind
from tests.kube.apiserver import ApiServer

INFERENCE_SERVICE = Kind("serving.kserve.io", "v1beta1", "inferenceservices", "InferenceService")


def test_it_serves_a_custom_kind_with_a_status(apiserver: ApiServer) -> None:
    apiserver.apply_crd("kserve-inferenceservices")
    namespace = apiserver.namespace()
    made = apiserver.create(
        INFERENCE_SERVICE,
        {
            "metadata": {"namespace": namespace, "name": "churn"},
            "spec": {"predictor": {"minReplicas": 1}},
            "status": {"deploymentMode": "Knative"},
        },
    )
    assert made["status"] == {"deploymentMode": "Knative"}
    with apiserver.client("viewer") as viewer:
        assert viewer.get(INFERENCE_SERVICE.path(namespace)).is_success
        assert viewer.delete(INFERENCE_SERVICE.path(namespace, "churn")).status_code == 403
