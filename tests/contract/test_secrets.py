"""Credentials that a program prints: ``token = { command = […] }``."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from backends import settings
from backends.errors import Unauthenticated
from backends.settings import Secret
from backends.text import one_line
from tests.waiting import wait_until

CREDENTIAL = "s3cr3t-credential"

LEAVES_ONE_BEHIND = f'{{leaves}} sleep 600 & echo $! > "$0"; printf {CREDENTIAL}'
"""Ends at once, while a child of it holds stdout open."""


def printing(code: str, *arguments: object) -> Secret:
    return Secret(command=(sys.executable, "-S", "-c", code, *map(str, arguments)))


def in_shell(script: str, *arguments: object) -> Secret:
    return Secret(command=("sh", "-c", script, *map(str, arguments)))


def refused(secret: Secret) -> Unauthenticated:
    with pytest.raises(Unauthenticated) as raised:
        secret.reveal()
    assert CREDENTIAL not in f"{raised.value!r} {raised.value} {raised.value.hint}"
    return raised.value


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "COMMAND_TIMEOUT_S", 0.5)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Keys that the operator has typed: they wait in this process's stdin, whose descriptor this is."""
    kept = os.dup(0)
    reading, writing = os.pipe()
    os.write(writing, b"q\n")
    os.dup2(reading, 0)
    yield 0
    os.dup2(kept, 0)
    for one in (kept, reading, writing):
        os.close(one)


def test_the_value_is_what_the_command_prints() -> None:
    assert printing(f"print('  {CREDENTIAL}  ')").reveal() == CREDENTIAL


def test_what_it_prints_to_stderr_is_no_part_of_the_value() -> None:
    assert printing(f"import sys; sys.stderr.write('a hint'); print('{CREDENTIAL}')").reveal() == CREDENTIAL


def test_a_command_that_fails_gives_no_value_whatever_it_printed() -> None:
    code = f"import sys; print('{CREDENTIAL}'); sys.stderr.write('{CREDENTIAL}'); sys.exit(3)"
    error = refused(printing(code))
    assert "ended with status 3" in error.message
    assert "by hand" in error.hint


@pytest.mark.parametrize("program", ["/nonexistent/program", "no-such-program-here", "/", "nul\x00byte", ""])
def test_a_program_that_cannot_be_started_is_named(program: str) -> None:
    error = refused(Secret(command=(program, CREDENTIAL)))
    assert f"the command {one_line(program)}" in error.message


@pytest.mark.usefixtures("short")
def test_a_command_has_a_limit_and_is_killed_at_it(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    secret = in_shell(f'echo $$ > "$0"; printf {CREDENTIAL}; exec sleep 600', file)
    began = time.monotonic()
    error = refused(secret)
    assert "no answer within 0.5 s" in error.message
    assert time.monotonic() - began < 10
    assert not alive(int(file.read_text()))


def test_the_limit_is_ten_seconds() -> None:
    assert settings.COMMAND_TIMEOUT_S == 10.0


def test_a_command_that_reads_gets_end_of_file_and_not_the_operators_keys(typed: int) -> None:
    code = "import sys; print('read:' + repr(sys.stdin.read()))"
    assert printing(code).reveal() == "read:''"
    assert os.read(typed, 16) == b"q\n"


def test_a_command_has_no_terminal_to_open() -> None:
    """Programs that ask for a password open /dev/tty, which is the terminal of their session."""
    code = "import os; print('its own session:', os.getsid(0) == os.getpid())"
    assert printing(code).reveal() == "its own session: True"


@pytest.mark.parametrize("written", ["b'\\xff\\xfe'", f"b'{CREDENTIAL}\\xff'"])
def test_what_is_not_utf8_is_no_credential(written: str) -> None:
    error = refused(printing(f"import sys; sys.stdout.buffer.write({written})"))
    assert "not UTF-8" in error.message


@pytest.mark.parametrize("code", ["pass", "print()", "print(' \\t ')"])
def test_a_command_that_prints_nothing_holds_no_credential(code: str) -> None:
    assert "holds no credential" in refused(printing(code)).message


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("leaves", ["", "setsid"], ids=["in its group", "in a session of its own"])
def test_a_child_that_it_leaves_behind_with_its_stdout_does_not_hold_up_the_call(tmp_path: Path, leaves: str) -> None:
    file = tmp_path / "pid"
    ended = threading.Event()
    errors: list[Unauthenticated] = []

    def reveal() -> None:
        errors.append(refused(in_shell(LEAVES_ONE_BEHIND.format(leaves=leaves), file)))
        ended.set()

    threading.Thread(target=reveal, daemon=True).start()
    try:
        assert ended.wait(10)
        assert "no answer within 0.5 s" in errors[0].message
        if not leaves:
            wait_until(lambda: not alive(int(file.read_text())), 10, "the child to end")
    finally:
        if file.exists() and alive(int(file.read_text())):
            os.kill(int(file.read_text()), 9)
