"""No circle of modules: neither at import, nor inside functions, nor by type. Handlers that are named in text are no
imports."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Set
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise

import grimp

FLOORS = ("tui", "shiftdeck", "backends")


def circles(imports: Mapping[str, Set[str]]) -> list[list[str]]:
    """Circles, each found once and cut there: one module after another that imports the next."""
    graph = {name: set(others) for name, others in imports.items()}
    found = []
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            circle = error.args[1][::-1]  # graphlib names the one that is imported before the one that imports it
            found.append(circle)
            graph[circle[0]].discard(circle[1])
            continue
        return found


@functools.cache
def imports() -> dict[str, frozenset[str]]:
    """Which of our modules each imports, in-function and under ``TYPE_CHECKING`` as well."""
    graph = grimp.build_graph(*FLOORS, cache_dir=None)
    return {name: frozenset(graph.find_modules_directly_imported_by(name)) for name in graph.modules}


def test_no_module_imports_one_that_imports_it() -> None:
    assert circles(imports()) == []


def test_imports_inside_functions_and_for_types_are_seen_by_this_test() -> None:
    assert "tui.screens.palette" in imports()["tui.app.app"], "inside a function"
    assert "tui.screens.host" in imports()["tui.screens.base"], "under TYPE_CHECKING"
    (found,) = circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})
    assert set(found) == {"a", "b", "c"}
    assert all(later in {"a": "b", "b": "c", "c": "a"}[one] for one, later in pairwise(found))
