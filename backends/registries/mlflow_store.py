"""What the MLflow adapter asks of a registry, however it is reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from backends.contracts import ModelRef, ModelVersion

API = "/api/2.0/mlflow"
RUNS_PAGE = 250
MAX_FILE = 16 * 1024 * 1024  # bytes
CONTEXT = "mlflow.data.context"  # the tag that says what a run read a dataset for
UNFINISHED = ("RUNNING", "SCHEDULED")  # states of a run that may still change


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model. ``aliases`` is version by alias; ``updated`` changes with each new version."""

    name: str
    aliases: Mapping[str, str]
    updated: int


@dataclass(frozen=True, slots=True)
class Run:
    """What a run measured and read. ``final`` is false while it may still change; ``artifacts`` is the URI of its
    folder; ``datasets`` are (name, digest, context)."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    final: bool = True
    artifacts: str = ""
    datasets: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Location:
    """A file, or a folder, of a run, or of a version of a model, which is named by ``version`` or ``alias``."""

    path: str
    run: str = ""
    model: str = ""
    version: str = ""
    alias: str = ""


class Store(Protocol):
    """One registry. ``deadline`` is on ``time.monotonic``'s clock. Each page comes with the token of the next, or "".

    All raise ``backends.errors``; ``Rejected`` where there is no such model or run.
    """

    def prepare(self, deadline: float) -> None:
        """Before each use: do what has to be done once and takes its time, if the registry is there at all."""
        ...

    def state(self, deadline: float) -> object:
        """Something that is another whenever anything was written, or ``None`` where that cannot be told."""
        ...

    def models(self, size: int, token: str, deadline: float) -> tuple[list[Model], str]: ...

    def versions(self, model: str, size: int, token: str, deadline: float) -> tuple[list[ModelVersion], str]:
        """Newest first, without aliases and without what the run knows; of all models by name where none is given."""
        ...

    def version(self, model: str, version: str, deadline: float) -> tuple[ModelVersion, str]:
        """One version likewise, and the URI of the folder that its model is in."""
        ...

    def runs(self, runs: Sequence[str], deadline: float) -> Mapping[str, Run]:
        """Those of them that there are, deleted ones as well; at most ``RUNS_PAGE`` are asked for."""
        ...

    def aliases(self, model: str, deadline: float) -> Mapping[str, str]: ...

    def write(self, path: str, method: str, body: Mapping[str, object], deadline: float) -> None:
        """One of the writes in ``backends.registries.mlflow_calls``, by its REST path below ``API``."""
        ...

    def files(self, location: Location, folder: str, deadline: float) -> list[str]:
        """The paths of the files right in a location's folder, from ``folder`` on: the URI of all of that run's, or
        that version's, artifacts. Raises ``Unsupported`` where they cannot be had from here."""
        ...

    def file(self, location: Location, folder: str, deadline: float) -> bytes:
        """A file likewise; at most 16 MiB of it, else ``Malformed``."""
        ...

    def writable(self) -> bool | None:
        """Whether aliases can be set; ``None`` where only trying would tell."""
        ...

    def close(self) -> None: ...


def version_of(
    name: str,
    version: str,
    *,
    stage: str,
    created: int,
    updated: int,
    author: str,
    run: str,
    source: str,
    status: str,
    description: str,
    tags: Mapping[str, str],
) -> ModelVersion:
    """A version from MLflow's fields: times in milliseconds, and a stage "None" for none."""
    return ModelVersion(
        ModelRef(name, version),
        stage=None if stage in ("", "None") else stage,
        created=created / 1000 if created else None,
        updated=updated / 1000 if updated else None,
        author=author,
        run=run or None,
        tags=tags,
        source=source,
        status=status,
        description=description,
    )


def among(runs: Sequence[str]) -> str:
    """The filter for these runs. Their ids are hexadecimal; what is not was never an id and is left out."""
    return f"attributes.run_id IN ({', '.join(repr(run) for run in runs if run.isalnum())})"


def named(model: str) -> str:
    """The filter for one model's versions. MLflow's filters know no escapes, but two kinds of quotes."""
    quote = '"' if "'" in model else "'"
    return f"name = {quote}{model}{quote}"
