"""The answers of HAProxy's runtime API, as types. An answer that does not fit is ``Malformed``, and the message names
the place. Pure.

``show servers state`` reports the weights that were set (``srv_uweight``) and the weights in the configuration
(``srv_iweight``). ``show stat`` reports the effective weights, which a slow start lowers, and which servers are up.
Columns are found by their names, because each version of HAProxy adds columns.
https://docs.haproxy.org/2.6/management.html#9.1 and #9.3
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from backends.errors import Malformed

SERVERS = "show servers state"
STATISTICS = "show stat -1 6 -1"
"""All proxies: for each, its servers and its backend as a whole."""

READ = (SERVERS, STATISTICS, "show info", "show cli level")
"""All commands in one line. The level comes last: an answer that ends with it is complete."""

LEVELS = ("admin", "operator", "user")
MAX_WEIGHT = 256

_BACKEND, _SERVER = "1", "2"  # column ``type``
_DIGITS = 18


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a backend. ``asked`` (set) and ``configured`` are weights 0–256. ``effective`` is the weight that
    the balancer uses now, if the server is up. ``status`` is HAProxy's word. ``sticky``: a cookie ties clients to the
    server. ``agent``: an agent check may set its weight. ``slow`` is the progress of a slow start in percent, or
    ``None``.
    """

    backend: str
    name: str
    asked: int
    configured: int
    effective: int
    status: str
    backup: bool = False
    check: str = ""
    sticky: bool = False
    agent: bool = False
    slow: int | None = None

    @property
    def up(self) -> bool:
        """Whether it gets new requests. ``UP 1/3`` is up and about to go down, ``DOWN 1/2`` down and about to go up."""
        return self.unchecked or self.status.partition(" ")[0] == "UP"

    @property
    def unchecked(self) -> bool:
        """Whether HAProxy sends requests without knowing whether anybody is there: the server has no health check."""
        return self.status == "no check"

    @property
    def empty(self) -> bool:
        """Whether it has no address: a slot of a ``server-template`` that waits for one, or a name that DNS does not
        resolve."""
        return self.status == "MAINT (resolution)"

    @property
    def in_split(self) -> bool:
        """Whether its weight counts: it has an address, and nobody took it out by MAINT or DRAIN. A server that is down
        counts, as it is meant to serve."""
        return self.status.partition(" ")[0] not in ("MAINT", "DRAIN")


@dataclass(frozen=True, slots=True)
class Pool:
    """One backend. ``algorithm`` is "" if the socket's level hides it."""

    name: str
    algorithm: str
    servers: tuple[Server, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """All backends at one moment. ``process`` changes with each start and reload."""

    pools: tuple[Pool, ...]
    version: str
    process: str
    level: str


def reading_of(answer: str) -> Reading:
    """The reading in an answer to ``READ``.

    Raises:
        Malformed: the answer does not fit, or ends too early.
    """
    blocks = list(_blocks(answer))
    level = blocks[-1][0] if blocks else ""
    if level not in LEVELS:
        raise _malformed("it ends before the socket's level")
    info = _info(blocks)
    weights = weights_of(answer)
    algorithms: dict[str, str] = {}
    servers: dict[str, list[Server]] = {}
    for row in statistics_of(answer):
        name = row["pxname"]
        if row["type"] == _BACKEND:
            algorithms[name] = row.get("algo", "")
        elif row["type"] == _SERVER and (name, row["svname"]) in weights:
            servers.setdefault(name, []).append(_server(row, *weights[name, row["svname"]]))
    pools = tuple(Pool(name, algorithms.get(name, ""), tuple(found)) for name, found in servers.items())
    return Reading(pools, info.get("Version", ""), f"{info.get('Pid', '')}@{info.get('Start_time_sec', '')}", level)


def weights_of(answer: str) -> dict[tuple[str, str], tuple[int, int]]:
    """The set weight and the configured weight, by backend and server, from ``show servers state``.

    Raises:
        Malformed: the answer has no state of servers, or it does not fit.
    """
    block = next((one for one in _blocks(answer) if len(one) > 1 and one[1].startswith("# be_id ")), None)
    if block is None:
        raise _malformed("it holds no state of servers")
    if block[0] != "1":
        raise _malformed(f"the state of servers has version {block[0][:20]!r}, and 1 is known")
    names = block[1].removeprefix("# ").split()
    found = {}
    for line in block[2:]:
        told = dict(zip(names, line.split(), strict=False))
        if len(told) < len(names):
            raise _malformed("a line of servers' states is too short")
        try:
            key, asked, configured = (told["be_name"], told["srv_name"]), told["srv_uweight"], told["srv_iweight"]
        except KeyError as error:
            raise _malformed(f"servers' states have no column {error}") from None
        found[key] = (_weight(asked), _weight(configured))
    return found


def statistics_of(answer: str) -> tuple[Mapping[str, str], ...]:
    """The rows of ``show stat``, by the names of their columns.

    Raises:
        Malformed: the answer has no statistics, or they do not fit.
    """
    block = next((one for one in _blocks(answer) if one[0].startswith("# pxname,")), None)
    if block is None:
        raise _malformed("it holds no statistics")
    names = block[0].removeprefix("# ").rstrip(",").split(",")
    missing = {"pxname", "svname", "status", "weight", "type", "bck"} - set(names)
    if missing:
        raise _malformed(f"statistics have no column {min(missing)}")
    try:
        rows = list(csv.reader(block[1:], strict=True))
    except csv.Error as error:
        raise _malformed(f"statistics are no CSV ({error})") from None
    if any(len(row) < len(names) for row in rows):
        raise _malformed("a line of statistics is too short")
    return tuple(dict(zip(names, row, strict=False)) for row in rows)


def number(text: str, what: str) -> int:
    """A whole number that is not negative; an empty field counts as 0.

    Raises:
        Malformed: the text is not such a number.
    """
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise _malformed(f"{what} is {text[:20]!r}, not a whole number")
    return int(text)


def refusal_in(answer: str) -> str:
    """HAProxy's error message, or "". The commands before ``show servers state`` answer nothing if they succeed, so the
    first line before the state of the servers is an error."""
    lines = answer.split("\n1\n# be_id", maxsplit=1)[0].splitlines()
    return next((line.strip() for line in lines if line.strip()), "")


def _server(row: Mapping[str, str], asked: int, configured: int) -> Server:
    slow = row.get("throttle", "")
    return Server(
        backend=row["pxname"],
        name=row["svname"],
        asked=asked,
        configured=configured,
        effective=number(row["weight"], "weight"),
        status=row["status"],
        backup=row["bck"] == "1",
        check=row.get("check_status", "").removeprefix("* "),
        sticky=bool(row.get("cookie", "")),
        agent=bool(row.get("agent_status", "")),
        slow=number(slow, "throttle") if slow and slow != "100" else None,
    )


def _weight(text: str) -> int:
    weight = number(text, "a weight")
    if weight > MAX_WEIGHT:
        raise _malformed(f"a weight is {weight}, and {MAX_WEIGHT} is the most")
    return weight


def _info(blocks: Sequence[Sequence[str]]) -> dict[str, str]:
    block = next((one for one in blocks if one[0].startswith("Name: ")), None)
    if block is None:
        raise _malformed("it holds no information on the process")
    pairs = (line.partition(": ") for line in block)
    return {name: value for name, colon, value in pairs if colon}


def _blocks(answer: str) -> Iterator[list[str]]:
    """The answers to several commands: an empty line ends each."""
    block: list[str] = []
    for line in answer.split("\n"):
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _malformed(what: str) -> Malformed:
    return Malformed(
        f"HAProxy's answer does not fit its runtime API: {what}", hint="is this HAProxy's own stats socket?"
    )
