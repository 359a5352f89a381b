"""Writes the lab's registry with the real MLflow, in a process of its own.

It runs as ``python -m backends.lab.registry PATH``. MLflow takes seconds to import and to migrate an empty database to
its schema; the rest of the lab starts in that time. The process reads the catalogue as one line of JSON from stdin,
writes its progress to stdout (a number from 0 to 1 on each line), and ends when stdin ends.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backends.lab.process import when_parent_ends

Entry = Mapping[str, Any]  # JSON from ``backends.lab.catalogue``

QUIET = {  # MLflow reads these at its import
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
IMPORTED, MIGRATED = 0.35, 0.7  # the progress after these steps


def registry_uri(path: Path) -> str:
    """The URI by which MLflow opens the SQLite file at ``path``."""
    return f"sqlite:///{path}"


def main() -> None:
    """The child process."""
    path = Path(sys.argv[1])
    os.environ.update(QUIET)
    os.umask(0o077)
    lines = _lines()
    client = _open(path)
    catalogue = json.loads(lines.get())
    _write(client, catalogue, path.parent / "models")
    _date(path, catalogue)
    _tell(1.0)
    os._exit(0)  # everything is committed, and a normal exit with MLflow imported takes a second


def _lines() -> queue.Queue[bytes]:
    """The lines of stdin. The process ends when stdin or its parent ends."""
    received: queue.Queue[bytes] = queue.Queue()

    def read() -> None:
        rest = b""
        while chunk := os.read(0, 65536):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                received.put(line)
        os._exit(1)

    threading.Thread(target=read, daemon=True, name="stdin").start()
    when_parent_ends(lambda: os._exit(1), watch_stdin=False)
    return received


def _tell(done: float) -> None:
    sys.stdout.write(f"{done:.3f}\n")
    sys.stdout.flush()


def _open(path: Path) -> Any:
    """A client of the registry, whose database is migrated to the schema of the installed MLflow."""
    import sqlalchemy
    from mlflow import MlflowClient

    def without_waiting_for_the_disk(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    # Each run of the lab creates the file again, so a power failure loses nothing of value.
    sqlalchemy.event.listen(sqlalchemy.Engine, "connect", without_waiting_for_the_disk)
    _tell(IMPORTED)
    client = MlflowClient(tracking_uri=registry_uri(path), registry_uri=registry_uri(path))
    _tell(MIGRATED)
    return client


def _write(client: Any, catalogue: Sequence[Entry], folder: Path) -> None:
    experiment = client.create_experiment("training", artifact_location="s3://models.example.com/runs")
    total = sum(len(model["versions"]) for model in catalogue)
    written = 0
    for model in catalogue:
        name = model["name"]
        client.create_registered_model(name, tags=model["tags"], description=model["description"])
        for version in model["versions"]:
            run = _run(client, experiment, version) if "run" in version else None
            client.create_model_version(
                name,
                _source(folder, name, version),
                run_id=run,
                tags=version["tags"],
                description=version["description"],
                await_creation_for=0,
            )
            written += 1
            if written % 8 == 0:
                _tell(MIGRATED + (1.0 - MIGRATED) * written / (total + 1))
        for alias, version in model["aliases"].items():
            client.set_registered_model_alias(name, alias, version)


def _source(folder: Path, model: str, version: Entry) -> str:
    """The location of the version's files: a local folder if it has a signature, else the address in the catalogue."""
    if "signature" not in version:
        return str(version["source"])
    place = folder / model / str(version["version"])
    place.mkdir(parents=True)
    # The file is YAML, and JSON is valid YAML.
    (place / "MLmodel").write_text(json.dumps({"flavors": {}, "signature": version["signature"]}), encoding="utf-8")
    return str(place)


def _run(client: Any, experiment: str, version: Entry) -> str:
    """Record the training run of a version; returns its id."""
    from mlflow.entities import Metric, Param

    told, ended = version["run"], version["created"] - 90_000
    run = client.create_run(
        experiment,
        start_time=ended - 600_000,
        run_name=told["name"],
        tags={"mlflow.user": told["user"], "mlflow.source.git.commit": version["tags"]["git_commit"]},
    )
    run_id: str = run.info.run_id
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, ended, 0) for name, value in told["metrics"].items()],
        params=[Param(name, value) for name, value in told["params"].items()],
    )
    client.set_terminated(run_id, "FINISHED", end_time=ended)
    return run_id


def _date(path: Path, catalogue: Sequence[Entry]) -> None:
    """Set the creation times of the versions. MLflow's API cannot set them, so they are written to its tables."""
    import sqlalchemy
    from mlflow.store.model_registry.dbmodels.models import SqlModelVersion, SqlRegisteredModel
    from sqlalchemy.orm import Session

    engine = sqlalchemy.create_engine(registry_uri(path))
    with Session(engine) as session:
        for model in catalogue:
            newest = max(version["created"] for version in model["versions"])
            oldest = min(version["created"] for version in model["versions"])
            session.query(SqlRegisteredModel).filter_by(name=model["name"]).update(
                {"creation_time": oldest, "last_updated_time": newest}
            )
            for version in model["versions"]:
                session.query(SqlModelVersion).filter_by(name=model["name"], version=int(version["version"])).update(
                    {"creation_time": version["created"], "last_updated_time": version["created"]}
                )
        session.commit()
    engine.dispose()


if __name__ == "__main__":
    main()
