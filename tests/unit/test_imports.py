"""What importing costs: no module of the language, of shiftdeck, or of the command line pulls in Textual or an SDK."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

import pytest

import shiftdeck
import tui.cli

HEAVY = (
    "alembic",
    "httpx",
    "kubernetes",
    "mlflow",
    "plotext",
    "prometheus_api_client",
    "prometheus_client",
    "pynvml",
    "rich",
    "sqlalchemy",
    "starlette",
    "textual",
    "uvicorn",
)

LIGHT = (
    "backends.contracts",
    "backends.errors",
    "backends.settings",
    "backends.discovery",
    *(module.name for module in pkgutil.walk_packages(shiftdeck.__path__, "shiftdeck.")),
    *(module.name for module in pkgutil.walk_packages(tui.cli.__path__, "tui.cli.")),
)

PROGRAM = """
import importlib, json, sys
found = {}
for name in json.loads(sys.argv[1]):
    before = set(sys.modules)
    importlib.import_module(name)
    found[name] = sorted({new.partition(".")[0] for new in set(sys.modules) - before} & set(json.loads(sys.argv[2])))
print(json.dumps(found))
"""


def imported(names: tuple[str, ...]) -> dict[str, list[str]]:
    """Which heavy packages each of these modules pulls in, imported one after another in a fresh interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(names), json.dumps(HEAVY)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_importing_the_floors_below_the_app_costs_no_textual_and_no_sdk() -> None:
    assert {name: heavy for name, heavy in imported(LIGHT).items() if heavy} == {}


@pytest.mark.parametrize("name", ["tui.cli.main", "tui.cli.traffic", "tui.cli.completion"])
def test_completing_a_word_costs_no_engine(name: str) -> None:
    program = f"import sys, {name}; print('shiftdeck.engine.engine' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"


def test_the_main_screen_costs_no_engine() -> None:
    program = (
        "import json, sys, tui.startup.context, tui.app.app, tui.screens.main; print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    later = {
        "shiftdeck.engine.engine",
        "shiftdeck.changes.executor",
        "shiftdeck.changes.checks",
        "shiftdeck.journal.journal",
        "tui.input.command_line",
    }
    assert later.intersection(json.loads(done.stdout)) == set()


def test_the_main_screen_makes_no_type_of_what_it_does_not_show_yet() -> None:
    program = "import sys, tui.startup.context, tui.app.app, tui.screens.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    made = {name.rpartition(".")[2] for name in done.stdout.split() if name.startswith("backends.contracts.")}
    assert made <= {"words", "refs"}


def test_httpx_is_imported_without_its_command_line() -> None:
    program = """
import json, sys
from backends.lean_httpx import httpx
httpx.Client().close()
here = {name.partition(".")[0] for name in sys.modules}
import httpx._main
print(json.dumps([sorted(here & {"click", "pygments", "rich"}), "rich" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == [[], True], "and whoever wants that can still have it"


def test_the_app_is_noticed_by_this_test() -> None:
    assert "textual" in imported(("tui.app.app",))["tui.app.app"]
