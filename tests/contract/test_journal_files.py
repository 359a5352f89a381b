"""The journal on a real disk: several processes, crashes at the worst moment, full disks, and what is found after."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftdeck.journal import journal as journals
from shiftdeck.journal import storage
from shiftdeck.journal.journal import EntryKind, InFlight, Journal, JournalError
from shiftdeck.journal.storage import explained, head_path, lines_backward
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state" / "journal.jsonl", operator="ada", host="bastion", clock=lambda: 1_767_236_062.5)


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a Python program of our own; it is ended with the test."""
    children: list[subprocess.Popen[str]] = []

    def run(program: str, *arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", program, *map(str, arguments)]
        child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        children.append(child)
        return child

    yield run
    for child in children:
        child.kill()
        child.communicate()


def text_of(journal: Journal) -> bytes:
    return journal.path.read_bytes()


def begin(journal: Journal, **data: object) -> InFlight:
    return journal.begin(context="lab", ref="lab:prod/sentiment", data=data)


# ── writing and reading ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_change_is_recorded_from_intent_to_outcome(journal: Journal) -> None:
    flight = begin(journal, change="v8 10 → 0 %", token="hunter2")
    flight.sent({"revision": "18"})
    flight.finish({"outcome": "settled"})
    intent, sent, outcome = journal.entries(newest_first=False)
    assert [entry.kind for entry in (intent, sent, outcome)] == [EntryKind.INTENT, EntryKind.SENT, EntryKind.OUTCOME]
    assert (intent.seq, intent.context, intent.ref, intent.operator, intent.host) == (
        1,
        "lab",
        "lab:prod/sentiment",
        "ada",
        "bastion",
    )
    assert sent.data == {"revision": "18", "intent": 1}
    assert outcome.data == {"outcome": "settled", "intent": 1}
    assert b"hunter2" not in text_of(journal)
    assert journal.verify().ok


def test_nobody_else_can_read_it(journal: Journal) -> None:
    old = os.umask(0)
    try:
        begin(journal).leave()
    finally:
        os.umask(old)
    folder = journal.path.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_reading_a_journal_that_is_not_there_makes_none(journal: Journal) -> None:
    assert journal.entries() == ()
    assert journal.tail(5) == ()
    assert journal.unfinished() == ()
    assert journal.verify().ok
    assert journal.stamp() is None
    assert not journal.path.parent.exists()


def test_the_stamp_tells_that_something_was_written(journal: Journal) -> None:
    journal.note(data={"message": "one"})
    before = journal.stamp()
    assert journal.stamp() == before
    journal.note(data={"message": "two"})
    assert journal.stamp() != before


def test_the_newest_entries_are_read_without_the_rest_of_the_file(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    for number in range(400):
        journal.note(data={"number": number, "text": "x" * 5000})
    size = journal.path.stat().st_size
    read = []
    pread = os.pread

    def counted(fd: int, count: int, at: int) -> bytes:
        found = pread(fd, count, at)
        read.append(len(found))
        return found

    monkeypatch.setattr(os, "pread", counted)
    assert [entry.data["number"] for entry in journal.tail(3)] == [397, 398, 399]
    assert [entry.data["number"] for entry in journal.entries(2)] == [399, 398]
    assert sum(read) < 0.1 * size
    assert [entry.data["number"] for entry in journal.entries(newest_first=False)] == list(range(400))


@given(st.lists(st.integers(0, 150_000), max_size=6), st.booleans())
def test_lines_are_the_same_from_the_end(lengths: list[int], torn: bool) -> None:
    lines = [bytes([97 + number]) * length for number, length in enumerate(lengths)]
    text = b"".join(line + b"\n" for line in lines) + (b"torn" if torn else b"")
    with tempfile.TemporaryFile() as file:
        file.write(text)
        file.flush()
        assert list(islice(lines_backward(file.fileno(), len(text)), 100)) == text.split(b"\n")[::-1]


# ── several processes ───────────────────────────────────────────────────────────────────────────────────────────

APPEND = """
import sys
from pathlib import Path
from shiftdeck.journal.journal import Journal
journal = Journal(Path(sys.argv[1]), operator=sys.argv[2], wait_s=60.0)  # on a busy machine each has its turn late
print("ready", flush=True)
sys.stdin.readline()
for number in range(50):
    journal.note(data={"number": number})
"""


def test_four_processes_write_one_chain(journal: Journal, start: Start) -> None:
    children = [start(APPEND, journal.path, f"operator-{number}") for number in range(4)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [child.wait(60) for child in children] == [0, 0, 0, 0]
    entries = journal.entries(newest_first=False)
    assert journal.verify().ok
    assert [entry.seq for entry in entries] == list(range(1, 201))
    for number in range(4):
        own = [entry.data["number"] for entry in entries if entry.operator == f"operator-{number}"]
        assert own == list(range(50))


def test_a_journal_that_stays_locked_is_an_error_and_no_hang(journal: Journal) -> None:
    journal.note()
    impatient = Journal(journal.path, wait_s=0.05)
    with journal._writing(), pytest.raises(JournalError, match="locked by another process"):
        impatient.note()


# ── changes that nobody looks after any more ────────────────────────────────────────────────────────────────────

BEGIN = """
import sys
from pathlib import Path
from shiftdeck.journal.journal import Journal
flight = Journal(Path(sys.argv[1])).begin(context="lab", ref="lab:prod/sentiment", data={"change": "shift"})
flight.sent({"call": "PUT"})
print(flight.seq, flush=True)
sys.stdin.readline()
"""


def test_a_change_whose_process_was_killed_is_found_and_resolved_once(journal: Journal, start: Start) -> None:
    child = start(BEGIN, journal.path)
    assert child.stdout is not None
    seq = int(child.stdout.readline())
    assert journal.unfinished() == ()
    assert journal.resolve(seq, {"outcome": "unknown"}) is None
    child.kill()
    child.wait(10)
    (entry,) = wait_until(journal.unfinished, 5, "the killed process's lock to go")
    assert (entry.seq, entry.data) == (seq, {"change": "shift"})
    outcome = journal.resolve(seq, {"outcome": "settled"})
    assert outcome is not None
    assert outcome.data == {"outcome": "settled", "intent": seq, "recovered": True}
    assert (outcome.context, outcome.ref) == ("lab", "lab:prod/sentiment")
    assert journal.unfinished() == ()
    assert journal.resolve(seq, {"outcome": "settled"}) is None
    assert list((journal.path.parent / "inflight").iterdir()) == []
    assert journal.verify().ok


def test_of_many_that_resolve_at_once_one_does(journal: Journal) -> None:
    flight = begin(journal)
    flight.leave()
    barrier = threading.Barrier(8)
    written = []

    def resolve() -> None:
        own = Journal(journal.path)
        barrier.wait(10)
        own.unfinished()
        written.append(own.resolve(flight.seq, {"outcome": "failed"}))

    threads = [threading.Thread(target=resolve) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(entry is not None for entry in written) == 1
    assert [entry.kind for entry in journal.entries()] == [EntryKind.OUTCOME, EntryKind.INTENT]


def test_whoever_claims_a_change_looks_after_it_until_it_is_left(journal: Journal) -> None:
    begin(journal).leave()
    claimed = journal.claim(1)
    assert claimed is not None
    assert journal.unfinished() == ()
    assert journal.claim(1) is None
    claimed.leave()
    assert [entry.seq for entry in journal.unfinished()] == [1]


def test_a_lock_file_that_was_cleaned_away_leaves_the_change_to_be_found(journal: Journal) -> None:
    begin(journal).leave()
    for path in (journal.path.parent / "inflight").iterdir():
        path.unlink()
    assert [entry.seq for entry in journal.unfinished()] == [1]
    assert journal.resolve(1, {"outcome": "failed"}) is not None


def test_only_an_intent_can_be_claimed_and_only_one_outcome_written(journal: Journal) -> None:
    journal.note()
    for number in (1, 7):
        with pytest.raises(ValueError, match="not an intent"):
            journal.claim(number)
    flight = begin(journal)
    flight.finish({"outcome": "settled"})
    flight.leave()
    with pytest.raises(ValueError, match="not in flight"):
        flight.finish({"outcome": "settled"})


def test_a_file_that_was_replaced_while_one_waited_for_its_lock_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock on what the name does not lead to any more keeps nobody out."""
    path = tmp_path / "journal.jsonl"
    first = storage.open_locked(path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX, 1.0)
    held: list[int] = [first]

    def meanwhile(_: float) -> None:
        if held:
            path.with_suffix(".new").touch()
            path.with_suffix(".new").replace(path)
            os.close(held.pop())

    monkeypatch.setattr("shiftdeck.journal.storage.time.sleep", meanwhile)
    second = storage.open_locked(path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX, 30.0)
    try:
        assert not held, "it waited"
        assert os.fstat(second).st_ino == path.stat().st_ino
        with pytest.raises(storage.Busy):
            storage.open_locked(path, os.O_RDWR, fcntl.LOCK_EX, 0.0)
    finally:
        os.close(second)


def test_a_file_that_was_removed_while_one_waited_for_its_lock_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "1.lock"
    held: list[int] = [storage.open_locked(path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX, 1.0)]

    def meanwhile(_: float) -> None:
        if held:
            path.unlink()
            os.close(held.pop())

    monkeypatch.setattr("shiftdeck.journal.storage.time.sleep", meanwhile)
    second = storage.open_locked(path, os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX, 30.0)
    assert os.fstat(second).st_ino == path.stat().st_ino
    os.close(second)


# ── power loss ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What was done to files of the journal, in its order: (what, name of the file)."""
    done: list[tuple[str, str]] = []
    names: dict[int, str] = {}
    opened, written, synced, replaced = os.open, os.write, os.fsync, os.replace

    def open_(path: Any, *more: Any, **named: Any) -> int:
        fd = opened(path, *more, **named)
        names[fd] = Path(path).name
        return fd

    def write(fd: int, data: bytes) -> int:
        done.append(("write", names[fd]))
        return written(fd, data)

    def fsync(fd: int) -> None:
        synced(fd)
        done.append(("fsync", names[fd]))

    def replace(old: Any, new: Any) -> None:
        replaced(old, new)
        done.append(("rename", Path(new).name))

    for name, stand_in in {"open": open_, "write": write, "fsync": fsync, "replace": replace}.items():
        monkeypatch.setattr(os, name, stand_in)
    return done


HEAD = [
    ("write", "journal.jsonl.head.tmp"),
    ("fsync", "journal.jsonl.head.tmp"),
    ("rename", "journal.jsonl.head"),
    ("fsync", "state"),
]


def test_an_entry_is_on_the_disk_before_its_head_and_both_before_one_goes_on(
    journal: Journal, disk: list[tuple[str, str]]
) -> None:
    """A power loss at any moment leaves the entry, or nothing of it: so no change is sent whose intent may be lost, and
    no head is ahead of its entry."""
    journal.path.parent.mkdir()
    journal.note()
    entry = [("write", "journal.jsonl"), ("fsync", "journal.jsonl")]
    assert disk == [*entry, ("fsync", "state"), *HEAD], "the name of a new journal is made durable as well"
    disk.clear()
    journal.note()
    assert disk == [*entry, *HEAD]


@pytest.mark.parametrize("step", ["intent", "sent", "outcome", "left", "resolved"])
def test_every_kind_of_entry_is_durable_when_the_call_returns(
    journal: Journal, disk: list[tuple[str, str]], step: str
) -> None:
    journal.note()
    durable = [("write", "journal.jsonl"), ("fsync", "journal.jsonl"), *HEAD]
    disk.clear()
    flight = begin(journal)
    if step != "intent":
        disk.clear()
        flight.sent({"call": "PUT"})
    if step == "outcome":
        disk.clear()
        flight.finish({"outcome": "settled"})
    elif step != "intent" and step != "sent":
        flight.leave()
    if step == "resolved":
        disk.clear()
        assert journal.resolve(flight.seq, {"outcome": "failed"}) is not None
    assert [one for one in disk if "lock" not in one[1] and "inflight" not in one[1]][-len(durable) :] == durable


def test_a_new_folder_of_a_journal_is_made_durable(journal: Journal, disk: list[tuple[str, str]]) -> None:
    journal.note()
    assert disk[0] == ("fsync", journal.path.parent.parent.name)


def test_a_torn_line_is_safe_aside_before_it_is_cut_off(journal: Journal, disk: list[tuple[str, str]]) -> None:
    journal.note()
    with journal.path.open("ab") as file:
        file.write(b"torn")
    disk.clear()
    journal.note()
    aside = "journal.jsonl.torn-20260101T025422Z"
    entry = [("write", "journal.jsonl"), ("fsync", "journal.jsonl")]
    moved = [("write", aside), ("fsync", aside), ("fsync", "state"), ("fsync", "journal.jsonl")]
    assert disk == [*moved, *entry, *HEAD, *entry, *HEAD]


DIE_BEFORE_HEAD = """
import os, sys
from pathlib import Path
import shiftdeck.journal.writer
from shiftdeck.journal.journal import Journal
shiftdeck.journal.writer.write_head = lambda path, head: os._exit(9)
Journal(Path(sys.argv[1])).note(data={"message": "written, but not in the head"})
"""


def test_a_crash_between_line_and_head_is_no_damage(journal: Journal, start: Start) -> None:
    journal.note()
    child = start(DIE_BEFORE_HEAD, journal.path)
    assert child.wait(20) == 9
    verification = journal.verify()
    assert (verification.ok, verification.entries) == (True, 2)
    assert journal.note().seq == 3
    assert journal.verify().ok


@pytest.mark.parametrize("kept", [1, 40, -2])
def test_a_torn_last_line_is_moved_aside_and_said_so(journal: Journal, kept: int) -> None:
    journal.note(data={"message": "one"})
    head = head_path(journal.path).read_bytes()
    begin(journal, change="shift").leave()
    first, second = text_of(journal).splitlines(keepends=True)
    # The line was being written when the power went: the head is still the one before.
    journal.path.write_bytes(first + second[:kept])
    head_path(journal.path).write_bytes(head)

    assert [problem.line for problem in journal.verify().problems] == [2]
    assert [entry.seq for entry in journal.entries()] == [1]

    journal.note(data={"message": "two"})

    (aside,) = journal.path.parent.glob("journal.jsonl.torn-*")
    assert aside.name == "journal.jsonl.torn-20260101T025422Z"
    assert aside.read_bytes() == second[:kept]
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    note, two = journal.tail(2)
    assert note.kind is EntryKind.NOTE
    assert aside.name in str(note.data["message"])
    assert two.data == {"message": "two"}
    assert journal.verify().ok


def test_an_append_mends_first_and_never_overwrites_what_was_moved_aside(journal: Journal) -> None:
    for number in range(2):
        with journal.path.open("ab") if number else _made(journal).open("ab") as file:
            file.write(b'{"torn": %d' % number)
        journal.note(data={"message": f"after {number}"})
    assert sorted(path.read_bytes() for path in journal.path.parent.glob("*.torn-*")) == [b'{"torn": 0', b'{"torn": 1']
    assert [entry.kind for entry in journal.entries()] == [EntryKind.NOTE] * 4
    assert journal.verify().ok


def _made(journal: Journal) -> Path:
    journal.path.parent.mkdir(parents=True)
    return journal.path


def test_a_line_that_lost_only_its_newline_is_kept(journal: Journal) -> None:
    journal.note(data={"message": "one"})
    begin(journal, change="shift").leave()
    journal.path.write_bytes(text_of(journal)[:-1])
    assert journal.note().seq == 3
    assert [entry.seq for entry in journal.entries(newest_first=False)] == [1, 2, 3]
    assert list(journal.path.parent.glob("*.torn-*")) == []
    assert journal.verify().ok


# ── tampering ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_changed_byte_is_named_by_its_line_even_after_more_was_written(journal: Journal) -> None:
    for number in range(5):
        journal.note(data={"message": f"entry {number}"})
    journal.path.write_bytes(text_of(journal).replace(b"entry 2", b"entry 8"))
    assert [problem.line for problem in journal.verify().problems] == [3]
    journal.note()
    assert [problem.line for problem in journal.verify().problems] == [3]


@pytest.mark.parametrize("old", [b"entry 4", b'"note"', b'"seq":5'])
def test_a_damaged_last_line_does_not_keep_anyone_from_going_on(journal: Journal, old: bytes) -> None:
    for number in range(5):
        journal.note(data={"message": f"entry {number}"})
    *lines, last = text_of(journal).splitlines(keepends=True)
    journal.path.write_bytes(b"".join(lines) + last.replace(old, b"#" * len(old)))
    assert [problem.line for problem in journal.verify().problems] == [5]
    assert journal.note().seq == 6
    assert [problem.line for problem in journal.verify().problems] == [5]


def test_a_cut_off_end_stays_to_be_seen_after_more_was_written(journal: Journal) -> None:
    for _ in range(5):
        journal.note()
    journal.path.write_bytes(b"".join(text_of(journal).splitlines(keepends=True)[:3]))
    assert [problem.line for problem in journal.verify().problems] == [4]
    assert journal.note().seq == 6
    (problem,) = journal.verify().problems
    assert (problem.line, "entries 4–5 are missing" in problem.message) == (4, True)


def test_a_removed_journal_is_missed_by_its_head(journal: Journal) -> None:
    journal.note()
    journal.note()
    journal.path.unlink()
    assert not journal.verify().ok
    assert journal.note().seq == 3
    assert "entries 1–2 are missing" in journal.verify().problems[0].message


# ── disks that are full, read-only or gone ──────────────────────────────────────────────────────────────────────

FILL = """
import json, resource, sys
from pathlib import Path
from shiftdeck.journal.journal import Journal, JournalError
journal = Journal(Path(sys.argv[1]))
room = journal.path.stat().st_size + 100
resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
errors = []
for write in (lambda: journal.note(data={"text": "x" * 500}), lambda: journal.begin(context="c", ref="r", data={})):
    try:
        write()
    except JournalError as error:
        errors.append(str(error))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(json.dumps({"errors": errors, "unfinished": len(journal.unfinished()), "next": journal.note().seq}))
"""


def test_an_entry_that_does_not_fit_leaves_nothing_behind(journal: Journal, start: Start) -> None:
    journal.note()
    before = text_of(journal)
    output, _ = start(FILL, journal.path).communicate(timeout=30)
    result = json.loads(output)
    assert [str(journal.path) in error for error in result["errors"]] == [True, True]
    assert (result["unfinished"], result["next"]) == (0, 2)
    assert text_of(journal).startswith(before)
    assert journal.verify().ok
    assert list((journal.path.parent / "inflight").iterdir()) == []
    assert not head_path(journal.path).with_name("journal.jsonl.head.tmp").exists()


def test_a_head_that_does_not_fit_leaves_nothing_behind(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.note()
    before = text_of(journal)

    def full(fd: int, data: bytes) -> None:
        if data.startswith(b'{"hash"'):
            raise OSError(errno.ENOSPC, "no space left")
        os.write(fd, data)

    monkeypatch.setattr(storage, "write_all", full)
    with pytest.raises(JournalError, match="the disk is full"):
        journal.note()
    assert text_of(journal) == before
    assert sorted(path.name for path in journal.path.parent.iterdir()) == ["journal.jsonl", "journal.jsonl.head"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.symlink_to("/dev/full")
    with pytest.raises(JournalError, match="the disk is full: free some space"):
        Journal(path).note()


def test_a_place_where_no_folder_can_be_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be written"):
        Journal(tmp_path / "file" / "journal.jsonl").note()
    with pytest.raises(JournalError, match="cannot be read"):
        Journal(tmp_path).entries()


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EROFS, "read-only: name another place"),
        (errno.EACCES, "check who owns it"),
        (errno.ENOLCK, "put the journal on a local disk"),
        (errno.EMFILE, "Too many open files"),
    ],
)
def test_each_failure_of_a_disk_comes_with_advice(code: int, advice: str) -> None:
    with pytest.raises(JournalError, match=advice), explained(Path("/var/journal.jsonl"), "written"):
        raise OSError(code, os.strerror(code))


def test_data_that_json_cannot_hold_is_refused_before_anything_is_written(journal: Journal) -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        begin(journal, bad=object())
    assert not journal.path.exists()


def test_what_is_in_flight_is_told_without_reading_what_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)
    journal = Journal(tmp_path / "journal.jsonl")
    for number in range(500):
        journal.note(data={"number": number, "text": "x" * 100})
    flight = journal.begin(context="prod", ref="m", data={"change": "shift"})
    journal.note(data={"number": -1})
    read: list[int] = []
    usual = os.pread

    def counted(fd: int, count: int, at: int) -> bytes:
        read.append(count)
        return usual(fd, count, at)

    monkeypatch.setattr(os, "pread", counted)
    monkeypatch.setattr(journals, "lines_forward", lambda *_: pytest.fail("the whole journal was read"))
    assert [entry.seq for entry in journal.in_flight()] == [flight.seq]
    assert sum(read) < journal.path.stat().st_size // 2
    flight.leave()
    assert journal.in_flight() == ()
