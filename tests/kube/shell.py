"""The command line on a test API server: a configuration with one source, and what a user types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from click.testing import CliRunner

from backends.contracts import Endpoint, EndpointRef, Serving, Wiring
from backends.errors import Rejected
from backends.serving.stable_label import StableLabelOptions
from shiftdeck.journal.journal import Entry, Journal
from tests.kube.apiserver import ApiServer
from tests.waiting import wait_until
from tui.cli.main import cli

WHY = ("--reason", "INC-42", "--yes")


class Said:
    """What a command printed, and its exit code."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __repr__(self) -> str:
        return f"exit code {self.code}\n{self.out}\n--- stderr\n{self.err}"

    @property
    def words(self) -> str:
        """What was printed, without the breaks of its lines."""
        return " ".join(self.out.split())

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class KubeShell:
    """Types commands against ``server``, with one source "k8s" of that adapter in one namespace. Not a production
    context, for what is typed there is tested elsewhere."""

    def __init__(
        self, server: ApiServer, folder: Path, adapter: str, namespace: str, *, user: str = "admin", selector: str = ""
    ) -> None:
        self.server = server
        self.namespace = namespace
        self.path = folder / f"journal-{user}.jsonl"
        self.config = folder / f"config-{user}.toml"
        self.kubeconfig = server.kubeconfig(user)
        lines = [
            f'journal = "{self.path}"',
            "[contexts.test]",
            "production = false",
            'access = "read-write"',
            'longest_hold = "2s"',
            "[contexts.test.serving.k8s]",
            f'adapter = "{adapter}"',
            f'kubeconfig = "{self.kubeconfig}"',
            f'namespaces = ["{namespace}"]',
            'every = "1s"',
            'timeout = "20s"',  # the machine may be busy with other tests
            *([f'selector = "{selector}"'] if selector else []),
        ]
        self.config.write_text("\n".join(lines) + "\n")

    def type(self, *words: str) -> Said:
        arguments = ["--config", str(self.config), *words]
        done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        return Said(done.exit_code, done.stdout, done.stderr)

    def journal(self) -> tuple[Entry, ...]:
        return Journal(self.path).entries(newest_first=False)

    def last(self) -> tuple[str, str]:
        """The outcome of the last change, as the journal has it, and the way back that was recorded before."""
        *_, intent = [entry for entry in self.journal() if "change" in entry.data]
        *_, outcome = [entry for entry in self.journal() if "outcome" in entry.data]
        return str(outcome.data["outcome"]), str(intent.data["way_back"])


def wiring(server: ApiServer, namespace: str, *, user: str = "admin", **options: object) -> Wiring[StableLabelOptions]:
    """For an adapter that is used without an engine."""

    def none(kind: str, name: str) -> Any:
        raise LookupError(f"no source {name} of kind {kind}")

    given = {"kubeconfig": server.kubeconfig(user), "namespaces": (namespace,), **options}
    timeout_s = cast("float", given.pop("timeout", 10.0))
    return Wiring("k8s", StableLabelOptions(timeout_s, **given), none, lambda: 0.0)


def eventually(serving: Serving, ref: EndpointRef, condition: Any, what: str, timeout_s: float = 60.0) -> Endpoint:
    """The first reading of the endpoint that meets ``condition``."""
    seen: list[Endpoint] = []

    def look() -> Endpoint | None:
        try:
            seen[:] = [serving.read(ref)]
        except Rejected:  # the watch has not brought it yet
            return None
        return seen[0] if condition(seen[0]) else None

    found = wait_until(look, timeout_s, lambda: f"{what}; it is {seen[0] if seen else '?'}")
    assert isinstance(found, Endpoint)
    return found


__all__ = ["WHY", "KubeShell", "Said", "eventually", "wiring"]
