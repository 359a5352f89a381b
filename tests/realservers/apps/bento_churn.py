"""A model as a BentoML service. A request says whether it is to fail."""

from __future__ import annotations

import bentoml


@bentoml.service(name="churn", workers=1)
class Churn:
    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, fail: bool = False) -> float:
        if fail:
            raise RuntimeError("the model cannot")
        return 0.3
