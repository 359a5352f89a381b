"""A model behind FastAPI, measured by prometheus-fastapi-instrumentator as its documentation has it. A request says how
it is to end."""

from __future__ import annotations

from fastapi import FastAPI, HTTPException
from prometheus_fastapi_instrumentator import Instrumentator

app = FastAPI()


@app.post("/predict")  # type: ignore[untyped-decorator]
def predict(status: int = 200) -> dict[str, float]:
    if status != 200:
        raise HTTPException(status)
    return {"churn": 0.3}


Instrumentator().instrument(app).expose(app)
