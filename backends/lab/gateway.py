"""The lab's serving gateway over HTTP: traffic with optimistic locking, predictions, metrics and drills.

``GET /v1/endpoints`` · ``GET|PUT /v1/endpoints/{scope}/{name}/traffic`` (``ETag``, ``If-Match``) ·
``POST /v1/endpoints/{scope}/{name}/predict`` · ``GET /metrics`` · ``GET /healthz`` · ``GET /lab/drills`` ·
``PUT|DELETE /lab/drills/{name}``.

The operator's name is in ``X-Operator`` and the reason in ``X-Reason``, both as percent-encoded UTF-8. Errors are
``{"error": code, "detail": sentence}``.

This module also runs the drill ``rival-operator``. Once after each start of the drill, ana changes the split of
sentiment: one second after the first ``GET`` of its traffic with ``X-Intent: plan``, or directly before the first
``PUT`` to it whose guard is valid, whichever comes first. So a plan from an earlier read gets a 412.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from random import Random
from urllib.parse import unquote

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from backends.lab.drills import SUMMARIES, Drills
from backends.lab.lock import RegistryLock
from backends.lab.meters import Meters
from backends.lab.serving import Scorer, vector
from backends.lab.traffic import Refused, Traffic, Update
from backends.lab.views import traffic_view
from backends.lab.wire import BadRequest, update_of

MAX_BODY = 64 * 1024
RIVAL = "ana"
RIVAL_TARGET = ("prod", "sentiment")
RIVAL_PAUSE_S = 1.0

Handler = Callable[[Request], Awaitable[Response]]


def error(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": code, "detail": detail}, status, headers)


class Gateway:
    """The handlers and their shared state. Everything runs on one event loop, so there are no locks."""

    def __init__(
        self,
        traffic: Mapping[tuple[str, str], Traffic],
        scorer: Scorer,
        meters: Meters,
        drills: Drills,
        registry: RegistryLock,
        seed: int,
    ) -> None:
        self._traffic = traffic
        self._scorer = scorer
        self._meters = meters
        self._drills = drills
        self._registry = registry
        self._rng = Random(f"{seed} gateway")
        self._rival_acted: float | None = None  # the start of the drill in which the rival has acted
        self._rival: asyncio.Task[None] | None = None

    def app(self) -> Starlette:
        traffic = "/v1/endpoints/{scope}/{name}/traffic"
        return Starlette(
            routes=[
                Route("/v1/endpoints/{scope}/{name}/predict", self.predict, methods=["POST"]),
                Route("/v1/endpoints", self.list_endpoints),
                Route(traffic, self.get_traffic),
                Route(traffic, self.put_traffic, methods=["PUT"]),
                Route("/metrics", self.metrics),
                Route("/healthz", self.healthz),
                Route("/lab/drills", self.list_drills),
                Route("/lab/drills/{name}", self.start_drill, methods=["PUT"]),
                Route("/lab/drills/{name}", self.end_drill, methods=["DELETE"]),
            ],
        )

    async def tick(self, every_s: float = 0.1) -> None:
        """Let time pass for all traffic, until cancelled."""
        while True:
            now = time.time()
            for traffic in self._traffic.values():
                traffic.tick(now)
            await asyncio.sleep(every_s)

    async def list_endpoints(self, _request: Request) -> Response:
        return JSONResponse({"endpoints": [traffic_view(traffic) for traffic in self._traffic.values()]})

    async def get_traffic(self, request: Request) -> Response:
        traffic = self._find(request)
        if traffic is None:
            return _no_endpoint(request)
        if request.headers.get("x-intent") == "plan" and self._rival_is_due(traffic) and self._rival is None:
            self._rival = asyncio.create_task(self._rival_after_pause(traffic))
        return _traffic_response(traffic)

    async def put_traffic(self, request: Request) -> Response:
        traffic = self._find(request)
        if traffic is None:
            return _no_endpoint(request)
        try:
            update = update_of(await _body(request))
        except BadRequest as bad:
            return error(400, "bad_request", str(bad))
        guard = request.headers.get("if-match")
        if guard is None:
            return error(428, "guard_required", "send If-Match with the ETag that you read")
        if guard == traffic.etag:
            self._rival_acts(traffic)
        if guard not in {traffic.etag, "*"}:
            newest = traffic.releases[0]
            detail = f"the traffic is at generation {traffic.generation}, last changed by {newest.by}"
            return error(412, "changed", detail, {"ETag": traffic.etag})
        operator = unquote(request.headers.get("x-operator", "")) or "unknown"
        try:
            self._apply(traffic, update, operator, unquote(request.headers.get("x-reason", "")))
        except Refused as refused:
            return error(422, refused.error, refused.detail)
        return _traffic_response(traffic)

    async def predict(self, request: Request) -> Response:
        traffic = self._find(request)
        if traffic is None:
            return _no_endpoint(request)
        try:
            given = await _body(request)
            features = vector(traffic.spec.model, given.get("features"))
        except ValueError as bad:
            return error(400, "bad_request", str(bad))
        answer = await self._scorer.answer(traffic, features)
        told: dict[str, object] = {"variant": answer.variant, "model": traffic.spec.model, "version": answer.version}
        if answer.prediction is None:
            return JSONResponse({"error": "model_failed", "detail": answer.error, **told}, answer.code)
        return JSONResponse({"prediction": round(answer.prediction, 6), **told})

    async def metrics(self, _request: Request) -> Response:
        if self._drills.running("metrics-down"):
            return error(503, "metrics_down", "a drill has taken the metrics down")
        return Response(generate_latest(self._meters.registry), media_type=CONTENT_TYPE_LATEST)

    async def healthz(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def list_drills(self, _request: Request) -> Response:
        return JSONResponse({"drills": [self._drill(name) for name in SUMMARIES]})

    async def start_drill(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in SUMMARIES:
            return _no_drill(name)
        try:
            await self.start(name)
        except OSError as failed:
            return error(503, "not_started", str(failed))
        return JSONResponse(self._drill(name))

    async def end_drill(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in SUMMARIES:
            return _no_drill(name)
        self._drills.end(name)
        if name == "registry-down":
            await asyncio.to_thread(self._registry.release)
        if name == "rival-operator" and self._rival is not None:
            self._rival.cancel()
            self._rival = None
        return JSONResponse(self._drill(name))

    async def start(self, name: str) -> None:
        """Start a drill.

        Raises:
            KeyError: there is no drill of that name.
            OSError: the registry's database cannot be locked.
        """
        if name == "registry-down":
            await asyncio.to_thread(self._registry.take)
        self._drills.start(name, time.time())

    def _find(self, request: Request) -> Traffic | None:
        return self._traffic.get((request.path_params["scope"], request.path_params["name"]))

    def _apply(self, traffic: Traffic, update: Update, by: str, reason: str) -> None:
        delay = self._rng.uniform(*self._drills.propagation_s())
        traffic.apply(update, time.time(), delay, by, reason)

    def _drill(self, name: str) -> Mapping[str, object]:
        since = self._drills.since(name)
        return {"name": name, "summary": SUMMARIES[name], "running": since is not None, "since": since}

    def _rival_is_due(self, traffic: Traffic) -> bool:
        since = self._drills.since("rival-operator")
        return since is not None and traffic.spec.key == RIVAL_TARGET and self._rival_acted != since

    async def _rival_after_pause(self, traffic: Traffic) -> None:
        await asyncio.sleep(RIVAL_PAUSE_S)
        self._rival = None
        self._rival_acts(traffic)

    def _rival_acts(self, traffic: Traffic) -> None:
        """Move five points of weight between the stable and another variant, once after each start of the drill."""
        if not self._rival_is_due(traffic):
            return
        self._rival_acted = self._drills.since("rival-operator")
        if self._rival is not None:
            self._rival.cancel()
            self._rival = None
        other = next(name for name in traffic.desired if name != traffic.stable)
        step = 5.0 if traffic.desired[other] <= 90 else -5.0
        weights = {**traffic.desired, other: traffic.desired[other] + step}
        weights[traffic.stable] = 100.0 - sum(weight for name, weight in weights.items() if name != traffic.stable)
        self._apply(traffic, Update(weights), RIVAL, "next canary step")


def _traffic_response(traffic: Traffic) -> Response:
    return JSONResponse(traffic_view(traffic), headers={"ETag": traffic.etag})


def _no_endpoint(request: Request) -> Response:
    scope, name = request.path_params["scope"], request.path_params["name"]
    return error(404, "not_found", f"there is no endpoint {scope}/{name}")


def _no_drill(name: str) -> Response:
    return error(404, "not_found", f"there is no drill {name!r}: known are {', '.join(SUMMARIES)}")


async def _body(request: Request) -> Mapping[str, object]:
    """The request's JSON object.

    Raises:
        BadRequest: it is too large, or not a JSON object.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY:
            raise BadRequest(f"the body is larger than {MAX_BODY} bytes")
        chunks.append(chunk)
    try:
        body = json.loads(b"".join(chunks))
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadRequest("the body is not a JSON object")
    return body
