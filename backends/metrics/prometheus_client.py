"""Queries to Prometheus: ``prometheus-api-client`` makes them, and ``HttpClient`` sends them.

The library keeps only ``data.result`` of an answer, and drops ``warnings`` and ``resultType``. A Thanos that has lost
half of its stores would therefore seem complete. The library also retries by itself, has no size limit for an answer,
and raises errors of ``requests``. So its session gets a transport that sends through ``HttpClient``, with the deadline,
size limit and errors of every adapter, and that keeps the whole answer. ``requests`` opens no socket.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from backends.contracts import EMPTY
from backends.dropped import Dropped
from backends.errors import Malformed
from backends.http import HttpClient
from backends.metrics.answers import Envelope, Points, Value, read_envelope, read_matrix, read_vector
from backends.metrics.promql import duration

if TYPE_CHECKING:
    import requests

MAX_BODY = 64 * 1024 * 1024  # bytes: the buckets of some thousand variants


class Queries:
    """Queries to one server. Thread-safe.

    ``params`` is sent with each query (for example ``partial_response`` for Thanos). Unless ``partial`` is true, an
    answer that the server calls incomplete is an error: shares computed from half of the data are wrong.
    """

    def __init__(
        self, http: HttpClient, *, timeout_s: float, params: Mapping[str, str] = EMPTY, partial: bool = False
    ) -> None:
        self._http = http
        # No fractions: Prometheus accepts "800ms" and refuses "0.8s".
        self._params = {"timeout": duration(timeout_s), **params}
        self._partial = partial
        self._lock = threading.Lock()
        self._client: Any = None
        self._kept = threading.local()

    @property
    def dropped(self) -> Dropped:
        """What this thread's answers lacked since ``begin``."""
        found = getattr(self._kept, "dropped", None)
        return found if found is not None else self.begin()

    def begin(self) -> Dropped:
        """Begin to note anew what the answers to this thread lack."""
        self._kept.dropped = Dropped()
        return self.dropped

    @property
    def where(self) -> str:
        return self._http.where

    def vector(self, query: str) -> tuple[Value, ...]:
        """An instant query at the server's current time."""
        return read_vector(self.ask(query), self.where, self.dropped)

    def matrix(self, query: str, start: float, end: float, step_s: float) -> tuple[Points, ...]:
        """A range query; all times in Unix seconds."""
        # The library rounds times to whole seconds; the times in its ``params`` replace the rounded ones.
        exact = {"start": f"{start:.3f}", "end": f"{end:.3f}"}
        first, last = (datetime.fromtimestamp(at, UTC) for at in (start, end))
        envelope = self._asked(
            lambda client: client.custom_query_range(query, first, last, f"{step_s:g}", {**self._params, **exact})
        )
        return read_matrix(envelope, self.where, self.dropped)

    def ask(self, query: str, *, whole: bool = True) -> Envelope:
        """The envelope of the answer to an instant query. With ``whole`` false, an incomplete answer is no error.

        Raises:
            BackendError: as ``HttpClient.request`` does; also ``Malformed`` if the answer is incomplete.
        """
        return self._asked(lambda client: client.custom_query(query, dict(self._params)), whole=whole)

    def _asked(self, put: Callable[[Any], object], *, whole: bool = True) -> Envelope:
        put(self._connected())
        envelope: Envelope = self._kept.envelope
        if envelope.partial and whole and not self._partial:
            raise Malformed(
                f"{self.where} gave an incomplete answer: {envelope.partial[0]}",
                hint="the server's log says what is missing; `partial = true` accepts incomplete answers",
            )
        return envelope

    def _connected(self) -> Any:
        import requests
        from prometheus_api_client import PrometheusConnect
        from urllib3.util.retry import Retry

        with self._lock:
            if self._client is None:
                session = requests.Session()
                session.trust_env = False
                client = PrometheusConnect(self._http.base_url, retry=Retry(total=0), session=session)
                # After the constructor, as that mounts a transport of its own.
                session.mount(self._http.base_url, _transport(self._http, self._keep))
                self._client = client
            return self._client

    def _keep(self, envelope: Envelope) -> None:
        self._kept.envelope = envelope


def _transport(http: HttpClient, keep: Callable[[Envelope], None]) -> requests.adapters.BaseAdapter:
    """A transport for ``requests`` that sends through ``http`` and gives the envelope of each answer to ``keep``."""
    import requests

    prefix = urlsplit(http.base_url).path

    class Answer(requests.Response):
        def __init__(self, envelope: Envelope) -> None:
            super().__init__()
            self.status_code = 200
            self._content = b""
            self._envelope = envelope

        def json(self, **_: Any) -> Any:
            return {"data": {"result": self._envelope.result}}

    class Transport(requests.adapters.BaseAdapter):
        def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
            path = (request.path_url or "/").removeprefix(prefix)
            envelope = read_envelope(http.request("GET", path).json(), http.where)
            keep(envelope)
            answer = Answer(envelope)
            answer.url, answer.request = request.url or "", request
            return answer

        def close(self) -> None:
            """Does nothing: the owner of ``http`` closes it."""

    return Transport()
