"""The one door of the language: every public name of its modules, and none of them made before it is asked for."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

from backends import contracts

MODULES = sorted(module.name for module in pkgutil.iter_modules(contracts.__path__))


def defined(module: str) -> set[str]:
    """The public names that a module of the language defines."""
    names: set[str] = set()
    for node in ast.parse(inspect.getsource(importlib.import_module(f"backends.contracts.{module}"))).body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def test_every_public_name_is_found_in_its_module() -> None:
    assert {module: set(names.split()) for module, names in contracts._NAMES.items()} == {
        module: defined(module) for module in MODULES
    }
    assert vars(contracts)["__all__"] == sorted(contracts._MODULE_OF)


@pytest.mark.parametrize("name", contracts._MODULE_OF)
def test_a_name_is_what_its_module_holds(name: str) -> None:
    found = getattr(contracts, name)
    assert found is getattr(sys.modules[f"backends.contracts.{contracts._MODULE_OF[name]}"], name)
    assert vars(contracts)[name] is found, "looked up anew each time"


def test_whoever_checks_types_sees_the_same_modules() -> None:
    seen = [node for node in ast.walk(ast.parse(inspect.getsource(contracts))) if isinstance(node, ast.ImportFrom)]
    assert [node.module for node in seen if [alias.name for alias in node.names] == ["*"]] == [
        f"backends.contracts.{module}" for module in MODULES
    ]


def test_all_names_are_offered() -> None:
    assert set(contracts._MODULE_OF) <= set(dir(contracts))


def test_an_unknown_name_is_an_import_error() -> None:
    with pytest.raises(ImportError, match="Endpiont"):
        exec("from backends.contracts import Endpiont", {})  # noqa: S102  # nothing foreign is run


def test_one_kind_of_type_does_not_make_the_others() -> None:
    program = "import sys; from backends.contracts import Alert; print(*(m for m in sys.modules if 'contracts.' in m))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert {name.rpartition(".")[2] for name in done.stdout.split()} == {"alerts", "adapter", "words"}
