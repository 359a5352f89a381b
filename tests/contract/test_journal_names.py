"""One journal by whatever name: its locks and its head follow the file, and what makes it easy to alter is told."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shiftdeck.journal.exposure import remarks
from shiftdeck.journal.journal import Journal
from shiftdeck.journal.storage import head_path

ROOT = Path(__file__).parents[2]

BEGIN = """
import sys
from pathlib import Path
from shiftdeck.journal.journal import Journal
flight = Journal(Path(sys.argv[1])).begin(context="lab", ref="lab:prod/x", data={"change": "shift v8=20"})
print(flight.seq, flush=True)
if sys.stdin.readline():
    flight.finish({"outcome": "settled"})
    print("finished", flush=True)
    sys.stdin.readline()
"""

Name = Callable[[Path], Path]


def by_a_link(path: Path) -> Path:
    name = path.parents[1] / "link.jsonl"
    name.symlink_to(path)
    return name


def by_a_linked_folder(path: Path) -> Path:
    folder = path.parents[1] / "linked"
    folder.symlink_to(path.parent, target_is_directory=True)
    return folder / path.name


def by_a_link_to_a_link(path: Path) -> Path:
    first = by_a_link(path)
    name = path.parents[1] / "second.jsonl"
    name.symlink_to(first.name)
    return name


NAMES = pytest.mark.parametrize("named", [by_a_link, by_a_linked_folder, by_a_link_to_a_link])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir(mode=0o700)
    return tmp_path / "state" / "journal.jsonl"


@pytest.fixture
def elsewhere() -> Iterator[Callable[[Path], subprocess.Popen[str]]]:
    """Another process, which begins a change and finishes it when a line is written to it."""
    started: list[subprocess.Popen[str]] = []

    def begin(path: Path) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", BEGIN, str(path)]
        child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline() == "1\n"
        return child

    yield begin
    for child in started:
        child.kill()
        child.communicate()


@NAMES
@pytest.mark.parametrize("linked_here", [True, False])
def test_a_change_in_flight_is_seen_by_whoever_uses_another_name(
    path: Path, named: Name, linked_here: bool, elsewhere: Callable[[Path], subprocess.Popen[str]]
) -> None:
    Journal(path).stamp()
    path.touch(mode=0o600)
    link = named(path)
    here, there = (link, path) if linked_here else (path, link)
    child = elsewhere(there)
    journal = Journal(here)
    assert (journal.unfinished(), [entry.seq for entry in journal.in_flight()]) == ((), [1])
    assert journal.claim(1) is None
    child.kill()
    child.wait()
    assert ([entry.seq for entry in journal.unfinished()], journal.in_flight()) == ([1], ())


@NAMES
def test_all_names_have_one_chain_and_one_head(
    path: Path, named: Name, elsewhere: Callable[[Path], subprocess.Popen[str]]
) -> None:
    link = named(path)
    child = elsewhere(link)
    Journal(path).note()
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write("end\n")
    child.stdin.flush()
    assert child.stdout.readline() == "finished\n"
    Journal(link).note()
    for name in (path, link):
        verification = Journal(name).verify()
        assert (verification.entries, verification.problems) == (4, ())
    heads = [one for one in path.parents[1].rglob("*.head") if one.resolve().parent == path.parent]
    assert {one.resolve() for one in heads} == {head_path(path)}
    assert json.loads(head_path(path).read_text())["seq"] == 4
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    assert [problem.line for problem in Journal(link).verify().problems] == [3], "the end was cut off"


def test_a_link_in_a_circle_says_so(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.symlink_to(path)
    with pytest.raises(Exception, match=r"journal.jsonl cannot be written"):
        Journal(path).note()


# ── remarks ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def written(path: Path) -> Path:
    Journal(path).note()
    return path


def test_nothing_is_remarked_of_a_journal_as_it_is_made(written: Path) -> None:
    assert remarks(written) == ()
    assert remarks(written.parent / "not there") == ()


@pytest.mark.parametrize(
    ("of", "mode", "words", "hint", "wrong"),
    [
        ("", 0o666, "may be written by everybody", "chmod o-w", True),
        ("", 0o660, "may be written by its group", "chmod g-w", False),
        (".head", 0o606, "may be written by everybody", "chmod o-w", True),
        ("folder", 0o777, "may be written by everybody", "chmod o-w", True),
        ("folder", 0o770, "may be written by its group", "chmod g-w", False),
    ],
)
@pytest.mark.parametrize("named", [lambda path: path, by_a_link])
def test_it_is_remarked_who_else_may_write(
    written: Path, of: str, mode: int, words: str, hint: str, wrong: bool, named: Name
) -> None:
    name = named(written)
    exposed = written.parent if of == "folder" else written.with_name(written.name + of)
    exposed.chmod(mode)
    (remark,) = remarks(name)
    assert str(exposed) in remark.message
    assert words in remark.message
    assert remark.hint.startswith(f"{hint} {exposed}")
    assert remark.wrong is wrong


def test_a_folder_in_which_nobody_replaces_files_of_others_is_none_that_everybody_may_write(written: Path) -> None:
    written.parent.chmod(0o1777)
    assert remarks(written) == ()


def test_hard_links_are_remarked(written: Path, tmp_path: Path) -> None:
    (tmp_path / "second.jsonl").hardlink_to(written)
    (remark,) = remarks(written)
    assert "has 2 names (hard links)" in remark.message
