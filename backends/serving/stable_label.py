"""Serving through objects without a field for the stable variant: an annotation or label on them names it."""

from __future__ import annotations

from typing import ClassVar

from backends.contracts import Wiring
from backends.options import Options, text
from backends.serving.backing import STABLE_KEY
from backends.serving.kubernetes import KubernetesOptions, KubernetesServing, System


class StableLabelOptions(KubernetesOptions):
    """``KubernetesOptions``, and the annotation or label that names the stable variant."""

    stable = text("annotation or label that names the stable variant; else it is the heaviest", default=STABLE_KEY)


class StableLabelSystem(System):
    """``stable_key`` is the annotation or label that names the stable variant."""

    def __init__(self, stable_key: str = STABLE_KEY) -> None:
        self._stable_key = stable_key


class StableLabelServing(KubernetesServing):
    """Subclasses set ``system``; each instance makes its own, with the configured key."""

    OPTIONS: ClassVar[type[Options]] = StableLabelOptions
    system: ClassVar[StableLabelSystem]

    def __init__(self, wiring: Wiring[StableLabelOptions]) -> None:
        super().__init__(wiring)
        self.system = type(self.system)(wiring.options.stable or STABLE_KEY)  # type: ignore[misc]  # its own
