"""What the MLflow adapter asks of a registry, however it is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from backends.contracts import ModelRef, ModelVersion

API = "/api/2.0/mlflow"
UNFINISHED = ("RUNNING", "SCHEDULED")  # states of a run that may still change


@dataclass(frozen=True, slots=True)
class Model:
    """A registered model. ``aliases`` is version by alias; ``updated`` changes with each new version."""

    name: str
    aliases: Mapping[str, str]
    updated: int


@dataclass(frozen=True, slots=True)
class Run:
    """What a run measured. ``final`` is false while it may still change."""

    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    final: bool = True


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
        """Newest first, without aliases and without what the run knows."""
        ...

    def run(self, run: str, deadline: float) -> Run: ...

    def aliases(self, model: str, deadline: float) -> Mapping[str, str]: ...

    def set_alias(self, model: str, alias: str, version: str, deadline: float) -> None: ...

    def delete_alias(self, model: str, alias: str, deadline: float) -> None: ...

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


def named(model: str) -> str:
    """The filter for one model's versions. MLflow's filters know no escapes, but two kinds of quotes."""
    quote = '"' if "'" in model else "'"
    return f"name = {quote}{model}{quote}"
