"""Other programs of the kind in the same harness: first frame, memory, idle bytes and processor time, key to paint.

The Python ones come from ``scripts/prepare-peers``, the rest from the system; what is missing is named. Each runs on
as little as it can be started on, so that the figures say what a program costs by itself.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backends.serving.kserve_facts import INFERENCE_SERVICE
from tests.bench.app import opened
from tests.bench.emulator import Emulator
from tests.bench.groups import Run
from tests.bench.kubernetes import inference_service
from tests.bench.session import Condition, NotSeen, Session
from tests.bench.table import Row, quantile
from tests.bench.world import synthetic
from tests.kube.apiserver import ApiServer, find_assets

INSTALLED = Path(__file__).parents[2] / ".venv" / "peers" / "bin"
SETTLE_S = 3.0
IDLE_S = 10.0


@dataclass(frozen=True, slots=True)
class Peer:
    """``seen`` is on the screen once its first frame is; ``keys`` move something visible there and back."""

    name: str
    argv: tuple[str, ...]
    seen: str
    keys: tuple[bytes, bytes]


PEERS = (
    Peer("htop", ("htop",), "Load average", (b"\x1bOB", b"\x1bOA")),
    Peer("nvitop", ("nvitop",), "NVITOP", (b"\x1bOB", b"\x1bOA")),
    Peer("dolphie", ("dolphie", "--host", "127.0.0.1", "--port", "1"), "Dolphie", (b"\t", b"\t")),
    Peer("posting", ("posting",), "Collection", (b"\t", b"\t")),
    Peer("harlequin", ("harlequin",), "Query", (b"a", b"\x7f")),
)


def program(name: str) -> str | None:
    """Where it is, if it is."""
    own = INSTALLED / name
    return str(own) if own.exists() else shutil.which(name)


def figures(name: str, session: Session, first: float, keys: Sequence[bytes], run: Run) -> Iterator[Row]:
    """Of a program whose first frame came after ``first`` seconds."""
    yield Row(f"{name}: first frame", first, "s")
    time.sleep(SETTLE_S)
    yield Row(f"{name}: memory (PSS)", session.usage.memory().pss / 1e6, "MB")
    begin, cpu = time.perf_counter(), session.usage.cpu_s()
    time.sleep(IDLE_S if not run.quick else IDLE_S / 5)
    end = time.perf_counter()
    yield Row(f"{name}: idle", session.bytes_between(begin, end) / (end - begin), "bytes/s")
    yield Row(f"{name}: idle processor time", 100 * (session.usage.cpu_s() - cpu) / (end - begin), "%")
    took = []
    for number in range(run.times(60, 10) if keys else 0):
        shown = session.screen.text
        backgrounds = session.screen.backgrounds(1)

        def changed(screen: Emulator, shown: str = shown, backgrounds: tuple[str, ...] = backgrounds) -> bool:
            return screen.text != shown or screen.backgrounds(1) != backgrounds

        try:
            took.append(session.paint_s(keys[number % 2], changed, 3.0) * 1000)
        except NotSeen:
            break  # the key moves nothing there
        time.sleep(0.1)
    if took:
        yield Row(f"{name}: key → paint, p50", quantile(took, 0.5), "ms")
        yield Row(f"{name}: key → paint, p99", quantile(took, 0.99), "ms")


def beside(peer: Peer, run: Run) -> Iterator[Row]:
    found = program(peer.name)
    if found is None:
        yield Row(f"{peer.name}: not installed", None, "", note="scripts/prepare-peers, apt")
        return
    home = str(run.room(f"home-{peer.name}"))
    env = {"HOME": home, "XDG_CONFIG_HOME": home}
    marks: dict[str, Condition] = {"frame": lambda screen: peer.seen in screen.text}
    with Session([found, *peer.argv[1:]], env=env, marks=marks) as session:
        try:
            first = session.mark_s("frame", 20.0)
        except NotSeen:
            last = next((line.strip() for line in reversed(session.screen.lines) if line.strip()), "nothing")
            yield Row(f"{peer.name}: does not run here", None, "", note=last[:60])
            return
        yield from figures(peer.name, session, first, peer.keys, run)


def measure(run: Run) -> Iterator[Row]:
    made = synthetic(run.room("ours"), 30, share=0.0, every=3600.0)
    with opened(made.config, env=made.env) as session:
        first = session.mark_s("frame")
        session.mark_s("rows")
        yield from figures("shiftdeck", session, first, (b"j", b"k"), run)
    for peer in PEERS:
        yield from beside(peer, run)
    yield from watched(run)


def watched(run: Run) -> Iterator[Row]:
    """``watch kubectl get`` over InferenceServices, as people have it open instead."""
    kubectl, watch, assets = program("kubectl"), program("watch"), find_assets()
    if kubectl is None or watch is None or assets is None:
        yield Row("watch kubectl get: not here", None, "", note="wants watch, kubectl and kube-apiserver")
        return
    server = ApiServer(assets, run.room("apiserver"))
    try:
        server.start()
        server.apply_crd("kserve-inferenceservices")
        namespace = server.namespace("bench")
        for number in range(20):
            server.create(INFERENCE_SERVICE, inference_service(namespace, number))
        env = {"KUBECONFIG": str(server.kubeconfig("viewer")), "HOME": str(run.room("home-watch"))}
        argv = [watch, "-n", "2", f"{kubectl} get inferenceservices -A"]
        with Session(argv, env=env, marks={"frame": lambda screen: "isvc-0" in screen.text}) as session:
            yield from figures("watch kubectl get", session, session.mark_s("frame"), (), run)
    finally:
        server.stop()
