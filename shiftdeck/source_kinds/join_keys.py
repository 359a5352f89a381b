"""What an item of an answer is about, as its labels tell it: the keys that answers are joined by. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends.contracts import Alert, DriftScore, Gpu, Image, ModelRef, ModelVersion, VariantMetrics

Key = tuple[str, str]
"""Scope and name of an endpoint, as labels tell them."""


def metrics_key(metrics: VariantMetrics) -> Key:
    """The endpoint that was measured."""
    return metrics.subject.scope, metrics.subject.endpoint


def holder_keys(gpu: Gpu) -> frozenset[Key]:
    """The endpoints whose pods hold a GPU, as far as its labels name them."""
    return frozenset((one.scope, one.endpoint) for one in gpu.subjects)


def subject_key(item: Alert) -> Key | None:
    """The endpoint that an alert is about; ``None`` where its labels name no endpoint."""
    return None if item.subject is None else (item.subject.scope, item.subject.endpoint)


def drift_endpoint_key(score: DriftScore) -> Key | None:
    """The endpoint that was scored; ``None`` where the score is of a model, whichever endpoint serves it."""
    return None if drift_model_key(score) is not None else (score.subject.scope, score.subject.endpoint)


def drift_model_key(score: DriftScore) -> ModelRef | None:
    """The model that was scored; ``None`` where the labels name an endpoint."""
    return None if score.subject.endpoint else score.model


def version_key(version: ModelVersion) -> ModelRef:
    return version.ref


def image_key(image: Image) -> str:
    return image.reference
