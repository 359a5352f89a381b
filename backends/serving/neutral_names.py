"""Objects without names, for bug reports: every word that is not of Kubernetes or of a serving system is replaced, the
same word always by the same, so that what belongs together still does. Pure.

Nothing is recognised as a secret, because nothing that is not known is kept. Numbers, flags and times stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from backends.platforms.kubernetes.objects import seconds_of


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


DROPPED = _set_of(
    "managedFields env envFrom args command volumes volumeMounts imagePullSecrets affinity tolerations nodeSelector "
    "livenessProbe readinessProbe startupProbe lifecycle securityContext data stringData binaryData hostAliases "
    "topologySpreadConstraints caBundle"
)
"""Fields that no adapter reads."""

FREE = _set_of("labels annotations matchLabels selector")
"""Fields whose keys are words of their owners."""

LISTED = _set_of("type status reason kind method protocol scheme phase state operator strategy")
"""Fields whose values are of a list in the API: "ResolvedRefs", "True", "PathPrefix"."""

WORDS = _set_of(
    """
    abort accept active alias all alpha analysis analysisrun analysisruns annotations app application approve apps
    argo argocd argoproj at auto autoscaling available beta block blue bounds by canaries canary check close cluster
    com component components config configuration configurationgeneration confirm current default deploy deployed
    deployment deploymentmode deployments desired destinationrule dev development docker enable env event exact
    experiment experiments explainer false fence flagger flux fluxcd for gate gateway gateways generation green
    group gs halt hash helm helmrelease horizontalpodautoscaler host hpa http httproute httproutes https id in
    increase inferenceservice inferenceservices ingress instance io is istio istiod k8s keda knative kserve kubectl
    kubernetes kustomization kustomize latest llm llminferenceservice local localhost machinelearning main managed
    max mesh meta min mirror mlops mlserver model modelmesh models name namespace networking none of one open owner
    pathprefix paused percent pod pods podtemplatehash predictor predictors prefix preview primary prod production
    progressing promotion pullable pvc rawdeployment ready release replicafailure replicas replicaset revision
    revisions rollback rollout rollouts route router routes routing s3 scale scaledobject scaler seldon
    seldondeployment serverless service services serving sha256 shadow shiftdeck sigs stable stage staging standard
    status step steps stop stopped storageuri strategy svc tag target template templatename test the to toolkit
    total tracking traffic transformer true uid unknown uri url v version virtualservice virtualservices weight
    weights workload x
    """
)
"""Words that are kept in any text, whatever their case."""

_WORD = re.compile(r"[^\W_]+")
_PLAIN = re.compile(r"v?\d{1,5}|v\d+(?:alpha|beta)\d+")
_FIELD = re.compile(r"[a-z][A-Za-z0-9]*")
_VALUE = re.compile(r"[A-Z][A-Za-z0-9]*")
_HEX = re.compile(r"[0-9a-f]{64}")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9a-fA-F]{0,4}:){2,}[0-9a-fA-F]{0,4}")


class Renamer:
    """Replaces words, each always by the same."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def text(self, told: str) -> str:
        """The text with its words replaced. What is between them stays."""
        if seconds_of(told) is not None:
            return told
        return _WORD.sub(lambda found: self._word(found[0]), _ADDRESS.sub(self._address, told))

    def objects(self, node: Any, field: str = "") -> Any:
        """The JSON with the words of its texts replaced, and without what no adapter reads."""
        if isinstance(node, Mapping):
            return {
                self.text(key) if field in FREE or not _FIELD.fullmatch(key) else key: self.objects(one, key)
                for key, one in node.items()
                if key not in DROPPED or field in FREE
            }
        if isinstance(node, list | tuple):
            return [self.objects(one, field) for one in node]
        if isinstance(node, str) and not (field in LISTED and _VALUE.fullmatch(node)):
            return self.text(node)
        return node

    def _word(self, word: str) -> str:
        if word.lower() in WORDS or _PLAIN.fullmatch(word):
            return word
        if word not in self._known:
            number = len(self._known) + 1
            self._known[word] = f"{number:064x}" if _HEX.fullmatch(word) else f"n{number}"
        return self._known[word]

    def _address(self, found: re.Match[str]) -> str:
        return self._word(re.sub(r"\W", "", found[0]) + "address") if len(found[0]) > 4 else found[0]
