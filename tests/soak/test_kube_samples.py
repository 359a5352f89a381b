"""The sample of faults in front of a real API server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kube.apiserver import ApiServer
from tests.soak import faults
from tests.soak.kube_systems import IstioSystem, KubeSystem, PairSystem, RouteSystem
from tests.soak.statements import right

SEED = 1
LATE_S = 2.0


@pytest.mark.parametrize(("system", "count"), [(RouteSystem, 8), (IstioSystem, 8), (PairSystem, 4)])
def test_answers_of_a_cluster_that_do_not_say_what_happened(
    apiserver: ApiServer, tmp_path: Path, system: Callable[[ApiServer, Path], KubeSystem], count: int
) -> None:
    made = system(apiserver, tmp_path)
    try:
        right(faults.run(made, tmp_path, count=count, seed=SEED, late_s=LATE_S))
    finally:
        made.close()
