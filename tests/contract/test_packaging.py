"""The wheel, and another distribution's adapter beside it, installed into environments of their own."""

from __future__ import annotations

import json
import shutil
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from backends.contracts import CONTRACT_VERSION
from tests.environments import Environment, build_wheel

ROOT = Path(__file__).resolve().parents[2]
THIRD_PARTY = ROOT / "tests/conformance/thirdparty"
PACKAGES = ("tui", "shiftdeck", "backends")
CONFIG = """
[contexts.prod]
production = false
access = "read-write"
[contexts.prod.serving.acme]
[contexts.prod.serving.lab]
url = "http://127.0.0.1:9"
timeout = "1s"
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("installed") / "venv", wheel)


def acme(folder: Path, wheel: Path, contract: str) -> Environment:
    """An environment with shiftdeck and the third party's distribution, whose class states ``contract``."""
    source = shutil.copytree(THIRD_PARTY, folder / "acme")
    module = source / "shiftdeck_acme.py"
    text = module.read_text()
    assert "    CONTRACT: ClassVar[int] = 1\n" in text
    module.write_text(text.replace("    CONTRACT: ClassVar[int] = 1\n", contract))
    (folder / "config.toml").write_text(CONFIG)
    return Environment(folder / "venv", wheel, build_wheel(source, folder))


# ── the wheel ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_wheel_brings_these_packages_and_no_other(wheel: Path) -> None:
    """Nothing of it stands where another distribution has something: PyPI has an ``ops``, say, and many a ``tests``."""
    names = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert names == {*PACKAGES, f"shiftdeck-{version('shiftdeck')}.dist-info"}


def test_the_wheel_holds_every_file_of_its_packages(wheel: Path) -> None:
    there = {
        str(file.relative_to(ROOT))
        for package in PACKAGES
        for file in (ROOT / package).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    packed = {
        name for name in zipfile.ZipFile(wheel).namelist() if name.startswith(PACKAGES) and ".dist-info" not in name
    }
    assert packed == there
    assert any(name.endswith("theme.tcss") for name in packed)
    assert any("presets" in name and name.endswith(".toml") for name in packed)


def test_what_is_installed_runs(installed: Environment, tmp_path: Path) -> None:
    where = installed.run("python", "-c", "import backends, shiftdeck, tui; print(shiftdeck.__file__, tui.__file__)")
    assert all(path.startswith(str(installed.folder)) for path in where.stdout.split()), where
    for command in (["shiftdeck"], ["python", "-m", "shiftdeck"], ["python", "-m", "tui"]):
        said = installed.run(*command, "--version")
        assert (said.returncode, version("shiftdeck") in said.stdout) == (0, True), said
    file = tmp_path / "config.toml"
    file.write_text('[contexts.lab.serving.lab]\nurl = "http://127.0.0.1:9"\n')
    said = installed.run("shiftdeck", "--config", file, "config", "check")
    assert (said.returncode, "is valid" in said.stdout) == (0, True), said


# ── another distribution's adapter ──────────────────────────────────────────────────────────────────────────────


def test_another_distributions_adapter_is_found_obeys_the_laws_and_is_steered(wheel: Path, tmp_path: Path) -> None:
    found = acme(tmp_path, wheel, f"    CONTRACT: ClassVar[int] = {CONTRACT_VERSION}\n")
    config = ("--config", tmp_path / "config.toml")
    checked = found.run("shiftdeck", *config, "config", "check")
    assert (checked.returncode, "acme" in checked.stdout) == (0, True), checked
    told = json.loads(found.run("shiftdeck", *config, "doctor", "--json").stdout)
    assert {one["name"]: one["ok"] for one in told["sources"]} == {"acme": True, "lab": False}
    shifted = found.run("shiftdeck", *config, "shift", "acme:/churn", "v2=25", "--reason", "a trial", "--yes")
    assert shifted.returncode == 0, shifted
    assert "Acme routes it" in shifted.stdout, shifted
    laws = found.run(
        "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path / "acme", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"
    )
    assert laws.returncode == 0, laws.stdout
    assert " passed" in laws.stdout, laws.stdout


@pytest.mark.parametrize(
    ("contract", "said"),
    [
        (f"    CONTRACT: ClassVar[int] = {CONTRACT_VERSION + 1}\n", f"is written for version {CONTRACT_VERSION + 1}"),
        ("", "does not state the version"),
    ],
    ids=["another contract", "none stated"],
)
def test_an_adapter_for_another_contract_is_refused_with_words(
    wheel: Path, tmp_path: Path, contract: str, said: str
) -> None:
    found = acme(tmp_path, wheel, contract)
    config = ("--config", tmp_path / "config.toml")
    checked = found.run("shiftdeck", *config, "config", "check")
    assert checked.returncode == 2, checked
    assert f"contexts.prod.serving.acme: the adapter serving.acme of shiftdeck-acme 2.1 {said}" in checked.stderr
    told = json.loads(found.run("shiftdeck", *config, "doctor", "--json").stdout)
    probes = {one["name"]: one["probes"][0] for one in told["sources"]}
    assert said in probes["acme"]["detail"]
    assert probes["acme"]["hint"]
    assert "lab" in probes, "the other source is tried all the same"
    status = json.loads(found.run("shiftdeck", *config, "status", "--json").stdout)
    states = {one["name"]: (one["state"], one["error"]) for one in status["sources"]}
    assert states["acme"][0] == "off"
    assert said in states["acme"][1]
