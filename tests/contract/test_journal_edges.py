"""The journal at its edges: how long it waits, what just fits its blocks or reached the disk, and what stays open."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

import pytest

from shiftdeck.journal import storage
from shiftdeck.journal.journal import InFlight, Journal, JournalError
from shiftdeck.journal.locks import lock_path


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    made = Journal(tmp_path.resolve() / "journal.jsonl", operator="ada", host="bastion")
    made.note()
    return made


class Held:
    """A lock of another process, which gives it up after so many waits of ours. Waiting takes no time of a clock on the
    wall."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path, lock: int, waits: float) -> None:
        path.parent.mkdir(exist_ok=True)
        self.fd = storage.open_locked(path, os.O_RDWR | os.O_CREAT, lock, 0.0)
        self.left = waits
        self.waited: list[float] = []
        monkeypatch.setattr("shiftdeck.journal.storage.time.sleep", self.wait)
        monkeypatch.setattr("shiftdeck.journal.storage.time.monotonic", lambda: sum(self.waited))

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.left -= 1
        if self.left == 0:
            os.close(self.fd)


def begin(journal: Journal) -> InFlight:
    return journal.begin(context="lab", ref="lab:prod/sentiment", data={"change": "shift"})


def test_a_change_begins_though_another_process_looks_whether_its_lock_is_held(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look takes the lock for a moment."""
    looked = Held(monkeypatch, lock_path(journal.path, 2), fcntl.LOCK_SH, 20)
    flight = begin(journal)
    assert (flight.seq, len(looked.waited)) == (2, 20)
    flight.leave()


def test_a_journal_that_is_free_again_is_written_to_within_hundredths_of_a_second(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Held(monkeypatch, journal.path, fcntl.LOCK_EX, 3)
    assert journal.note().seq == 2
    assert max(busy.waited) < 0.05


def test_a_journal_that_stays_locked_is_given_up_after_five_seconds(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = Held(monkeypatch, journal.path, fcntl.LOCK_EX, float("inf"))
    with pytest.raises(JournalError, match="locked by another process for 5 s: look for one that is stopped"):
        journal.note()
    assert sum(stopped.waited) == pytest.approx(5.0, abs=0.1)
    os.close(stopped.fd)


@pytest.mark.parametrize("size", [1, 2, 65_535, 65_536, 65_537, 131_073])
@pytest.mark.parametrize("line", [1, 7, 65_536])
def test_every_byte_is_read_from_the_end_however_the_blocks_fall(size: int, line: int) -> None:
    text = (b"x" * (line - 1) + b"\n") * (size // line) + b"t" * (size % line)
    with tempfile.TemporaryFile() as file:
        file.write(text)
        file.flush()
        assert list(storage.lines_backward(file.fileno(), len(text))) == text.split(b"\n")[::-1]


def descriptors() -> int:
    return len([*Path("/dev/fd").iterdir()])


def test_recording_and_reading_leave_no_file_open(journal: Journal) -> None:
    before = descriptors()
    for _ in range(3):
        flight = begin(journal)
        flight.sent({"call": "PUT"})
        flight.finish({"outcome": "settled"})
        begin(journal).leave()
        for open_ in journal.unfinished():
            journal.resolve(open_.seq, {"outcome": "failed"})
        journal.tail(2)
        assert journal.verify().ok
    assert descriptors() == before


@pytest.mark.parametrize("written", [b'{"seq": 3}', b'{"hash": "x"}', b'{"seq": "3", "hash": "x"}', b"[]", b"{"])
def test_a_head_without_its_number_or_its_hash_is_none(written: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        storage.parse_head(written)


@pytest.mark.parametrize("number", [9999, 107])
def test_an_error_without_advice_is_told_in_the_systems_words(number: int) -> None:
    with (
        pytest.raises(JournalError, match="cannot be written: the words of the system"),
        storage.explained(Path("journal.jsonl"), "written"),
    ):
        raise OSError(number, "the words of the system")
    with (
        pytest.raises(JournalError, match="cannot be written: OSError"),
        storage.explained(Path("journal.jsonl"), "written"),
    ):
        raise OSError


@pytest.mark.parametrize("in_head", [True, False], ids=["in the head", "not in the head"])
def test_a_line_of_which_only_the_newline_was_lost_is_kept(journal: Journal, in_head: bool) -> None:
    """A power loss between the line and its newline, before or after the head was written."""
    head = storage.head_path(journal.path)
    before = head.read_bytes()
    journal.note(data={"message": "written"})
    journal.path.write_bytes(journal.path.read_bytes().removesuffix(b"\n"))
    if not in_head:
        head.write_bytes(before)
    assert journal.note().seq == 3
    assert [entry.data.get("message") for entry in journal.entries(newest_first=False)] == [None, "written", None]
    assert journal.verify().ok
    assert list(journal.path.parent.glob("*.torn-*")) == []
