"""Records are frozen, because threads hand them to one another, and slotted, so that a misspelt field is an error."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import shiftdeck

ROOT = Path(shiftdeck.__file__).resolve().parents[1]

MUTABLE = {
    "backends/drift/reported.py:_Seen",
    "backends/lab/gpus.py:RateMeter",
    "backends/lab/load.py:Wander",
    "backends/lab/meters.py:Bins",
    "backends/lab/traffic.py:Replicas",
    "backends/lab/truth.py:_Answers",
    "backends/dropped.py:Dropped",
    "backends/metrics/exposition.py:Parser",
    "backends/metrics/exposition.py:_Reading",
    "backends/metrics/fleet_queries.py:Counted",
    "backends/platforms/kubernetes/credentials.py:Credential",
    "backends/registries/mlflow_look.py:_Sweep",
    "shiftdeck/config/errors.py:Findings",
    "shiftdeck/journal/verify.py:_Chain",
    "tui/cli/apply.py:Attempt",
    "tui/cli/apply.py:_Ending",
    "tui/cli/doctor.py:Examination",
    "tui/terminal/link_speed.py:Link",
    "tui/widgets/endpoint_table.py:_Made",
}
"""Those that are filled or counted up, by one thread or under one lock."""


def records() -> Iterator[tuple[str, ast.ClassDef, dict[str, object]]]:
    """Every dataclass, by module and name, with its definition and the options that it is made with."""
    for path in sorted(path for floor in ("backends", "shiftdeck", "tui") for path in (ROOT / floor).rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if "@dataclass" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            for made in node.decorator_list if isinstance(node, ast.ClassDef) else ():
                if isinstance(node, ast.ClassDef) and ast.unparse(made).startswith("dataclass"):
                    given = made.keywords if isinstance(made, ast.Call) else ()
                    options = {one.arg or "": ast.literal_eval(one.value) for one in given}
                    yield f"{path.relative_to(ROOT).as_posix()}:{node.name}", node, options


def test_records_are_frozen_and_slotted() -> None:
    found = tuple(records())
    assert len(found) > 100
    assert {name for name, _, options in found if options.get("frozen") is not True} == MUTABLE
    # The value of a cached property is kept in the object's __dict__.
    caching = {name for name, node, _ in found if "@cached_property" in ast.unparse(node)}
    assert {name for name, _, options in found if options.get("slots") is not True} <= caching
