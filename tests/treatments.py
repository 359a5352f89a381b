"""How proxies of tests treat a request, and what they tell of those that reached the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Fault(StrEnum):
    """How the proxy treats requests from now on, on connections that are open already as well."""

    PASS = "pass"
    SLOW = "slow"  # answers, ``slow_s`` late
    HANG = "hang"  # takes the request, and that is all
    GONE = "gone"  # nobody listens; open connections are reset
    GARBAGE = "garbage"  # 200 with a web page, as a captive portal answers
    NOISE = "noise"  # bytes that are not HTTP
    TRUNCATED = "truncated"  # the real answer, cut off in the middle
    STATUS = "status"  # ``status``, with ``status_headers``
    DRIP = "drip"  # a status line and headers, byte by byte, and never a body
    LOST_ANSWER = "lost-answer"  # the server does as it is told, the answer never arrives
    EMPTY = "empty"  # 200 without a body
    TWICE = "twice"  # the server is told twice, and the second answer is given, as by a proxy that tries again


FORWARDED = frozenset({Fault.PASS, Fault.TRUNCATED, Fault.LOST_ANSWER, Fault.TWICE})


@dataclass(frozen=True, slots=True)
class Treatment:
    """How one request is treated. ``applied``: the server does as it is told before the fault. ``held_s``: it is told
    only after that time, also where the client has given up meanwhile. ``after_s``: it is told only that long after the
    client was answered. ``late_s``: the answer comes that long after it was made."""

    fault: Fault = Fault.PASS
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    applied: bool = False
    held_s: float = 0.0
    after_s: float = 0.0
    late_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Write:
    """A request other than a read that reached the server: what was asked, and when and with what status the server
    answered (0: it did not)."""

    method: str
    path: str
    body: bytes
    status: int
    at: float

    @property
    def taken(self) -> bool:
        """Whether the server says that it did as it was told."""
        return 200 <= self.status < 300


Decide = Callable[[str, str, bytes], "Treatment | None"]
"""How to treat the request of that method, path and body; ``None``: as all others."""
