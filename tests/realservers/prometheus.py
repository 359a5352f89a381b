"""Debian's Prometheus and Alertmanager, on free ports."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.realservers.processes import Server, free_port
from tests.servers import require_program

SCRAPE = "250ms"


def prometheus(
    folder: Path,
    targets: Mapping[str, str],
    *,
    rules: Sequence[Mapping[str, object]] = (),
    alertmanager: str = "",
    prefix: str = "",
    scrape: str = SCRAPE,
    labels: Mapping[str, Mapping[str, str]] | None = None,
) -> Server:
    """A Prometheus that scrapes ``targets`` (the job's name → host:port/path). Not started yet.

    ``rules`` are alerting rules, ``alertmanager`` the host:port to send alerts to, ``prefix`` a path before everything.
    ``labels`` are by job, as a cluster's scrape configuration adds them.
    """
    program = require_program("prometheus")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.json").write_text(
        json.dumps({"groups": [{"name": "tests", "interval": SCRAPE, "rules": list(rules)}]})
    )
    config: dict[str, object] = {
        "global": {"scrape_interval": scrape, "scrape_timeout": scrape, "evaluation_interval": SCRAPE},
        "rule_files": [str(folder / "rules.json")],
        "scrape_configs": [_job(name, target, (labels or {}).get(name, {})) for name, target in targets.items()],
    }
    if alertmanager:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    (folder / "prometheus.yml").write_text(json.dumps(config))  # YAML is a superset of JSON
    address = f"127.0.0.1:{free_port()}"
    url = f"http://{address}{prefix}"
    argv = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        f"--web.external-url={url}",
        "--rules.alert.resend-delay=1s",
        "--log.level=warn",
    ]
    return Server(argv, url, f"{url}/-/ready", folder / "prometheus.log")


def alertmanager(folder: Path, *, inhibit: Sequence[Mapping[str, object]] = ()) -> Server:
    """An Alertmanager that tells nobody. Not started yet."""
    program = require_program("prometheus-alertmanager")
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "route": {"receiver": "nobody", "group_wait": "100ms", "group_interval": "1s"},
        "receivers": [{"name": "nobody"}],
        "inhibit_rules": list(inhibit),
    }
    (folder / "alertmanager.yml").write_text(json.dumps(config))
    address = f"127.0.0.1:{free_port()}"
    argv = [
        program,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    return Server(argv, f"http://{address}", f"http://{address}/-/ready", folder / "alertmanager.log")


def _job(name: str, target: str, labels: Mapping[str, str]) -> dict[str, object]:
    host, _, path = target.removeprefix("http://").partition("/")
    return {
        "job_name": name,
        "metrics_path": f"/{path or 'metrics'}",
        "honor_labels": True,
        "static_configs": [{"targets": [host], "labels": dict(labels)}],
    }
