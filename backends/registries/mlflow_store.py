"""The interface that the MLflow adapter needs of a registry, in a file or behind a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from backends.contracts import ModelRef, ModelVersion

API = "/api/2.0/mlflow"
RUNS_PAGE = 250
MAX_FILE = 16 * 1024 * 1024  # bytes
LOGGED = "models:/m-"
"""How the source of a version begins whose model was logged on its own, as MLflow 3 does; its id follows."""

CONTEXT = "mlflow.data.context"  # the tag of a dataset that says what the run used it for
UNFINISHED = ("RUNNING", "SCHEDULED")  # states of a run that may still change


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model. ``aliases`` maps alias to version. ``updated`` changes with each new version. ``staged`` are
    the newest versions of its stages."""

    name: str
    aliases: Mapping[str, str]
    updated: int
    staged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A run's metrics, parameters, tags and datasets.

    ``final`` is false while the run may still change. ``artifacts`` is the URI of its folder. ``datasets`` holds
    (name, digest, context).
    """

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    final: bool = True
    artifacts: str = ""
    datasets: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Logged:
    """What was logged of one model itself: a run may log several models."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Location:
    """A file or folder of a run or of a model version. ``version`` or ``alias`` names the model version."""

    path: str
    run: str = ""
    model: str = ""
    version: str = ""
    alias: str = ""


class Store(Protocol):
    """One registry. ``deadline`` is on ``time.monotonic``'s clock. A page comes with the token of the next page, or "".

    All methods raise the errors of ``backends.errors``, and ``Rejected`` if there is no such model or run.
    """

    def prepare(self, deadline: float) -> None:
        """Called before each use: does the slow preparation that is needed once."""
        ...

    def state(self, deadline: float) -> object:
        """A value that differs after every write; ``None`` if the store has no such value."""
        ...

    def models(self, size: int, token: str, deadline: float) -> tuple[list[Model], str]: ...

    def versions(self, model: str, size: int, token: str, deadline: float) -> tuple[list[ModelVersion], str]:
        """Newest first, without aliases and without data of the run. An empty ``model`` means all models, by name."""
        ...

    def version(self, model: str, version: str, deadline: float) -> tuple[ModelVersion, str]:
        """One version, as ``versions`` returns it, and the URI of the folder of its files."""
        ...

    def runs(self, runs: Sequence[str], deadline: float) -> Mapping[str, Run]:
        """The runs that exist, including deleted ones, by id. The caller asks for at most ``RUNS_PAGE`` runs."""
        ...

    def logged(self, models: Sequence[str], deadline: float) -> Mapping[str, Logged]:
        """The logged models that exist, by id. The caller asks for at most ``RUNS_PAGE`` models."""
        ...

    def aliases(self, model: str, deadline: float) -> Mapping[str, str]: ...

    def write(self, path: str, method: str, body: Mapping[str, object], deadline: float) -> None:
        """One of the writes in ``backends.registries.mlflow_calls``. ``path`` is its REST path below ``API``."""
        ...

    def files(self, location: Location, folder: str, deadline: float) -> list[str]:
        """The paths of the files directly in a location's folder, relative to ``folder``.

        ``folder`` is the URI of all artifacts of that run or version.

        Raises:
            Unsupported: the artifacts cannot be listed or read from here.
        """
        ...

    def file(self, location: Location, folder: str, deadline: float) -> bytes:
        """The content of a file, relative to ``folder``. A file larger than 16 MiB raises ``Malformed``."""
        ...

    def writable(self) -> bool | None:
        """Whether aliases can be set; ``None`` if only a write would show it."""
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
    """A version from MLflow's fields. MLflow's times are in milliseconds; its stage "None" means no stage."""
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


def logged_id(source: str) -> str:
    """The id of the logged model that is the source of a version, "" if it is none."""
    return source[len("models:/") :].partition("/")[0] if source.startswith(LOGGED) else ""


def among(runs: Sequence[str]) -> str:
    """The filter for these runs. Ids of runs are hexadecimal; any other string is left out."""
    return f"attributes.run_id IN ({', '.join(repr(run) for run in runs if run.isalnum())})"


def named(model: str) -> str:
    """The filter for one model's versions. MLflow's filters have no escapes, but two kinds of quotes."""
    quote = '"' if "'" in model else "'"
    return f"name = {quote}{model}{quote}"
