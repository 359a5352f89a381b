"""Which worker runs which tests: one that has a lab or an API server running gets the tests that need it.

Each worker starts servers of its own, and a lab or an API server costs seconds of processor to start and some of it for
as long as it runs. End-to-end tests share nothing but the lab, so each is given out on its own; other tests share the
servers of their module, so a file stays together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from xdist.scheduler import LoadFileScheduling

LAB = "lab"
KUBE = "kube"
WORKERS = {LAB: 2, KUBE: 1}
"""How many workers start that server while there is other work: what needs a lab takes half of the time of all."""
ON_THE_LAB = (
    "tests/e2e/",
    "tests/contract/test_cli_lab.py",
    "tests/contract/test_drift_lab.py",
    "tests/contract/test_held_writes.py",
    "tests/contract/test_lab_gateway.py",
    "tests/contract/test_real_stack.py",
    "tests/contract/test_serving_lab.py",
    "tests/contract/test_whole_stack.py",
)
ON_KUBE = ("tests/contract/test_kube_", "tests/contract/test_nothing_applied.py", "tests/soak/test_kube_")
ALONE = ("tests/e2e/", "tests/soak/test_samples.py")
"""Tests that share nothing with others of their file but such a server."""


def server_of(scope: str) -> str:
    """The server that tests of this file or id share with those of other files, by their names."""
    if scope.startswith(ON_THE_LAB):
        return LAB
    return KUBE if scope.startswith(ON_KUBE) else ""


def rank(scope: str, mine: Collection[str], others: Mapping[str, int]) -> int:
    """Lower goes first: what my servers are for, then what needs none, or one that too few others have, then the rest.
    ``others`` is how many of the other workers have a server."""
    server = server_of(scope)
    if server and server in mine:
        return 0
    return 2 if others.get(server, 0) >= WORKERS.get(server, 1) else 1


class ByServer(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """``--dist loadfile`` with a preference. Of equal rank, the first in the order of collection goes first."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(ALONE) else nodeid.split("::", 1)[0]

    def _reschedule(self, node: Any) -> None:
        # A worker starts its last test when it gets more, or is told that there is no more: that is soon enough. The
        # base class gives out more while two are left, which then wait behind both though another worker may be idle.
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) <= 1:
            if not self.workqueue:
                node.shutdown()
                return
            self._assign_work_unit(node)

    def remove_node(self, node: Any) -> str | None:
        """The test that a worker was at when it ended, or None. What it had before it is given to others; the test
        itself is not, and no unit without tests, for which a worker would wait for ever."""
        mine = self.assigned_work.pop(node)
        at = next((name for unit in mine.values() for name, done in unit.items() if not done), None)
        if at is not None:
            mine[self._split_scope(at)][at] = True
        self.workqueue.update({scope: unit for scope, unit in mine.items() if not all(unit.values())})
        for other in self.assigned_work:
            self._reschedule(other)
        return at

    def _assign_work_unit(self, node: Any) -> None:
        mine = self._servers_of(node)
        others = Counter(server for one in self.nodes if one is not node for server in self._servers_of(one))
        chosen = min(self.workqueue, key=lambda scope: rank(scope, mine, others))
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)

    def _servers_of(self, node: Any) -> frozenset[str]:
        return frozenset(map(server_of, self.assigned_work.get(node, ()))) - {""}
