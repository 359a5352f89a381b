"""``shiftdeck init``: writes a commented configuration from what is found on this machine. It contacts only the cluster
of the current kubeconfig."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from urllib.parse import urlsplit, urlunsplit

import click

from backends.discovery import adapter_names
from shiftdeck.config.discovery import discover
from shiftdeck.config.loader import adapter_settings, find_config, load, parse
from shiftdeck.config.template import SampleContext, SampleSource, on_platforms, render_config
from tui.cli.options import Common, Failure, Misused, common_options, pass_common

MLFLOW_DEFAULT = "http://127.0.0.1:5000"
"""The default address of ``mlflow server``."""


@dataclass(frozen=True, slots=True)
class Found:
    """The result of one search: in words, and as a source if there is one to configure."""

    words: str
    source: SampleSource | None = None


@click.command(short_help="Write a commented configuration from what is found here.")
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write this file instead."
)
@common_options
@pass_common
def init(common: Common, force: bool, output: Path | None) -> None:
    """Write a commented configuration from what is found here: the variables of MLflow and Prometheus, an NVIDIA
    driver, and the serving systems in the cluster of your current kubeconfig. Its access is read-only until you change
    that. Only that cluster is contacted."""
    printer = common.printer()
    path = output or find_config(common.config)
    found = list(look(os.environ))
    text = render_config([on_platforms(context_of(found), adapter_settings)], adapter_settings)
    parse(text, path)
    write(path, text, force=force)
    for one in found:
        printer.out(one.words)
    printer.out()
    printer.out(f"wrote {load(path).path}; it changes nothing until you allow it")
    printer.out(f"next: edit it, then {_command(common, path, 'config check')} and {_command(common, path, 'doctor')}")


def _command(common: Common, path: Path, verb: str) -> str:
    option = "" if path == find_config(None) and common.config is None else f" --config {path}"
    return f"`shiftdeck{option} {verb}`"


def write(path: Path, text: str, *, force: bool) -> None:
    """Write the file. An existing file is replaced only with ``force``.

    Raises:
        Failure: the file exists already, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not force:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
            return
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except FileExistsError:
        raise Misused(f"{path} is there already: nothing was written", "--force replaces it") from None
    except OSError as error:
        raise Failure(f"{path} cannot be written: {error.strerror}") from None


def context_of(found: list[Found]) -> SampleContext:
    """A production context, read-only, with every source that was found."""
    sources = tuple(one.source for one in found if one.source is not None)
    words = "\n".join(one.words for one in found if one.source is None)
    return SampleContext("production", sources, comment=words)


def look(env: Mapping[str, str], root: Path = Path("/")) -> Iterator[Found]:
    """The results of all searches, by the environment and the files under ``root``."""
    yield _mlflow(env)
    yield from _prometheus(env)
    yield _nvidia(root)
    yield from _discovered(env)


def _mlflow(env: Mapping[str, str]) -> Found:
    variable = next((name for name in ("MLFLOW_REGISTRY_URI", "MLFLOW_TRACKING_URI") if env.get(name)), None)
    uri = _without_login(env[variable]) if variable else ""
    if variable is None or not uri.startswith(("http://", "https://", "sqlite:")):
        words = f"MLflow: none is named by MLFLOW_TRACKING_URI; put your own address in place of {MLFLOW_DEFAULT}"
        if variable is not None:
            words = f"MLflow: {variable} names no server and no SQLite file; put one in place of {MLFLOW_DEFAULT}"
        return Found(words, SampleSource("registries", "mlflow", {"uri": MLFLOW_DEFAULT}, words))
    table: dict[str, object] = {"uri": uri}
    if env.get("MLFLOW_TRACKING_TOKEN"):
        table["token"] = {"env": "MLFLOW_TRACKING_TOKEN"}
    elif env.get("MLFLOW_TRACKING_USERNAME") and env.get("MLFLOW_TRACKING_PASSWORD"):
        table["username"] = env["MLFLOW_TRACKING_USERNAME"]
        table["password"] = {"env": "MLFLOW_TRACKING_PASSWORD"}
    words = f"MLflow: {uri}, from {variable}"
    return Found(words, SampleSource("registries", "mlflow", table, words))


def _without_login(uri: str) -> str:
    """The URL without a user name and password: the configuration file must not hold credentials."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _prometheus(env: Mapping[str, str]) -> Iterator[Found]:
    variable = next((name for name in ("PROMETHEUS_URL", "PROM_URL") if env.get(name)), None)
    if variable is None:
        yield Found("Prometheus: none is named by PROMETHEUS_URL")
        return
    url = _without_login(env[variable])
    words = f"Prometheus: {url}, from {variable}"
    if "prometheus" not in adapter_names("metrics"):
        yield Found(f"{words}; no adapter for it is installed")
        return
    yield Found(words, SampleSource("metrics", "prometheus", {"url": url}, words))


def _nvidia(root: Path) -> Found:
    if (root / "proc/driver/nvidia/version").exists() or (root == Path("/") and which("nvidia-smi")):
        words = "GPUs: this machine has an NVIDIA driver"
        return Found(words, SampleSource("accelerators", "nvml", {}, words))
    return Found("GPUs: this machine has no NVIDIA driver")


def _discovered(env: Mapping[str, str]) -> Iterator[Found]:
    for one in discover(env):
        source = None if one.table is None else SampleSource(one.kind, one.name, one.table, one.words)
        yield Found(one.words, source)
