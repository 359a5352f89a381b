"""What is imported behind the first frame, and when."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec

from tui.startup import preload
from tui.startup.preload import PRELOAD, Moment


def test_the_list_is_in_the_order_of_its_moments_and_has_something_for_each() -> None:
    order = [list(Moment).index(moment) for moment, _ in PRELOAD]
    assert order == sorted(order)
    assert {moment for moment, _ in PRELOAD} == set(Moment)


def test_every_module_is_there_and_named_once() -> None:
    names = [name for _, name in PRELOAD]
    assert len(set(names)) == len(names)
    assert [name for name in names if find_spec(name) is None] == []


def test_what_is_due_is_imported_and_nothing_that_comes_later() -> None:
    program = """
import json, sys
import tui.app.app, tui.screens.main
from tui.startup import preload
names = [name for _, name in preload.PRELOAD]
found = [[name for name in names if name in sys.modules]]
for moment in preload.Moment:
    preload.load(moment)
    found.append([name for name in names if name in sys.modules])
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    at_first, *then = json.loads(done.stdout)
    assert at_first == [], "the main screen costs none of them"
    assert then[0] == ["shiftdeck.engine.engine"]
    for moment, found in zip(Moment, then, strict=True):
        assert {name for when, name in PRELOAD if when is moment} <= set(found)
    assert "tui.actions.changes" not in then[-2], "the panes cost nothing that only a change takes"


def test_loading_again_costs_nothing() -> None:
    preload.load(Moment.DRAWN)
    before = set(sys.modules)
    preload.load(Moment.DRAWN)
    assert set(sys.modules) == before
