"""The README says what is so: its keys are those of the one registry, its files are there."""

from __future__ import annotations

import re
from pathlib import Path

from tui.input.actions import ACTIONS, ActionSpec
from tui.input.keymap import shown_key

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")

GROUPS = {"change": "Change", "look": "Look", "program": "Program"}


def keys_table() -> str:
    """The table of keys as the README has to have it, one row a key, panes in one row."""
    rows = ["| key | what it does | `:` command |", "|---|---|---|"]
    for group, title in GROUPS.items():
        rows.append(f"| **{title}** | | |")
        rows.extend(_row(key) for key in ACTIONS if key.group == group and not key.id.startswith("pane("))
        if group == "look":
            panes = [key for key in ACTIONS if key.id.startswith("pane(")]
            rows.append(f"| `{panes[0].keys[0]}`–`{panes[-1].keys[0]}` | Choose a pane where there is room for one | |")
    return "\n".join(rows)


def _row(key: ActionSpec) -> str:
    command = f"`:{key.word}`" if key.word else ""
    return f"| `{shown_key(key, {})}` | {key.help} | {command} |"


def test_the_table_of_keys_is_the_registry() -> None:
    found = re.search(r"<!-- keys -->\n(.*?)\n<!-- /keys -->", README, re.DOTALL)
    assert found is not None
    assert found[1].strip() == keys_table()


def test_every_file_that_it_links_to_is_there() -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert linked
    assert [name for name in linked if not (ROOT / name).exists()] == []
