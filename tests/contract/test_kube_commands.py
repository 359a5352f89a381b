"""The kubectl commands that plans show: each does exactly what the call does, on a real API server."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from typing import Any

import pytest

from backends.conformance.changes import tried
from backends.contracts import Change
from backends.errors import BackendError
from tests.contract.test_kube_fences import CASES, Bench, without
from tests.kube.apiserver import ApiServer
from tests.servers import require_program

ENDS_S = 30.0


def possible(bench: Bench) -> list[Change]:
    """One change for each action that is possible."""
    found: list[Change] = []
    for changes in tried(bench.read()).values():
        for change in changes:
            try:
                if bench.serving.compile(bench.read(), change):
                    found.append(change)
                    break
            except BackendError:
                continue
    return found


def typed(bench: Bench, server: ApiServer, command: str) -> None:
    """As a human would who copied it."""
    environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig())}
    words = shlex.split(command)
    assert words[0] == "kubectl"
    done = subprocess.run(
        ["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=ENDS_S, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"


def state(bench: Bench) -> Any:
    """What is stored, without the names and times that differ between two of a kind."""
    told = json.dumps([without(one) for one in bench._stored()])
    things = json.loads(told.replace(bench.namespace, "NAMESPACE"))
    for thing in things:
        for key in ("uid", "creationTimestamp", "generation"):
            thing["metadata"].pop(key, None)
    return things


@pytest.mark.parametrize("name", CASES)
def test_what_is_shown_to_be_copied_does_the_same(apiserver: ApiServer, name: str) -> None:
    require_program("kubectl", "kubernetes-client")
    count = len(possible(Bench(apiserver, name)))
    assert count
    for number in range(count):
        ours, theirs = Bench(apiserver, name), Bench(apiserver, name)
        change = possible(ours)[number]
        before = state(theirs)
        assert state(ours) == before
        sent = ours.serving.compile(ours.read(), change)
        copied = theirs.serving.compile(theirs.read(), change)
        for call, twin in zip(sent, copied, strict=True):
            ours.serving.send(call)
            if twin.command.startswith("kubectl argo "):  # a plug-in of Argo's, which cannot be had here
                theirs.serving.send(twin)
            else:
                typed(theirs, apiserver, twin.command)
        assert state(ours) == state(theirs), change
        assert state(ours) != before, change
        for bench in (ours, theirs):
            bench.serving.close()
