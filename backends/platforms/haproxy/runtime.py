"""The connection to HAProxy's runtime API: a Unix socket or a TCP port that takes commands and answers with text.

Each exchange needs its own connection, because HAProxy closes a connection after one line. One line can hold several
commands, with ``;`` between them; each answer ends with an empty line.
https://docs.haproxy.org/2.6/management.html#9.3
"""

from __future__ import annotations

import re
import shlex
import socket
import time
from collections.abc import Sequence
from contextlib import closing

from backends.errors import Forbidden, Malformed, Rejected, TimedOut, Unreachable

MAX_ANSWER = 16 * 1024 * 1024  # bytes
MAX_LINE = 16_000  # characters: HAProxy's buffer holds 16 KiB unless it is told otherwise
COMMAND = re.compile(r"[ -:<-\[\]-~]+", re.ASCII)
"""Printable characters, without those that end a command or quote."""

LEVEL_HINT = "give the socket the level for it in HAProxy's configuration: stats socket … level admin"
ACCESS_HINT = "let this user into the socket's group, or set `mode` and `group` on HAProxy's `stats socket`"


class Runtime:
    """Sends commands to one HAProxy. ``address`` is a socket's path, or HOST:PORT. Thread-safe: it has no state."""

    def __init__(self, address: str, timeout_s: float) -> None:
        self.address = address
        self._timeout_s = timeout_s

    def ask(self, *commands: str, write: bool = False) -> str:
        """HAProxy's answer to these commands, as one text.

        Raises:
            Unreachable: no process listens there, or the connection broke.
            TimedOut: no complete answer in time, or the connection of a ``write`` that was sent broke.
            Forbidden: the file's permissions, or the socket's level, do not allow it.
            Rejected: a command cannot be sent.
            Malformed: the answer is not text, or is too long.
        """
        for command in commands:
            if not COMMAND.fullmatch(command):
                raise Rejected(f"{command!r} cannot be sent to HAProxy's socket")
        line = f"{';'.join(commands)}\n".encode("ascii")
        if len(line) > MAX_LINE:
            raise Rejected("these are too many commands for one line of HAProxy's socket", hint="change fewer servers")
        deadline = time.monotonic() + self._timeout_s
        sent = False
        try:
            with closing(self._connect()) as channel:
                sent = True
                channel.sendall(line)
                answer = self._read(channel, deadline)
        except TimeoutError:
            words = f"no answer from HAProxy at {self.address} within {self._timeout_s:g} s"
            raise TimedOut(words, maybe_applied=write and sent) from None
        except OSError as error:
            if write and sent:
                words = f"the connection to HAProxy at {self.address} broke before it had answered"
                raise TimedOut(words, maybe_applied=True) from None
            if isinstance(error, PermissionError):
                raise Forbidden(f"this user may not open HAProxy's socket {self.address}", hint=ACCESS_HINT) from None
            said, hint = (error.strerror or type(error).__name__).lower(), "is it running, with a stats socket?"
            raise Unreachable(f"no HAProxy at {self.address}: {said}", hint=hint, maybe_applied=False) from None
        except Malformed as error:
            error.maybe_applied = write
            raise
        return self._text(answer, write)

    def _text(self, answer: bytes, write: bool) -> str:
        if not answer:
            words = f"HAProxy at {self.address} closed the connection without an answer"
            raise (TimedOut if write else Unreachable)(words, maybe_applied=write)
        try:
            text = answer.decode("utf-8")
        except UnicodeDecodeError as error:
            words = f"HAProxy at {self.address} answered with bytes that are not UTF-8 (byte {error.start})"
            raise Malformed(words, maybe_applied=write) from None
        if text.lstrip("\n").startswith("Permission denied"):
            raise Forbidden(f"HAProxy's socket {self.address} does not allow that at its level", hint=LEVEL_HINT)
        return text

    def command(self, commands: Sequence[str]) -> str:
        """The shell command that sends these commands."""
        to = f"unix-connect:{self.address}" if is_path(self.address) else f"tcp-connect:{self.address}"
        return f"echo {shlex.quote('; '.join(commands))} | socat stdio {shlex.quote(to)}"

    def _connect(self) -> socket.socket:
        if is_path(self.address):
            channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            channel.settimeout(self._timeout_s)
            try:
                channel.connect(self.address)
            except BaseException:
                channel.close()
                raise
            return channel
        host, _, port = self.address.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), self._timeout_s)

    def _read(self, channel: socket.socket, deadline: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            channel.settimeout(left)
            chunk = channel.recv(65536)
            if not chunk:
                return b"".join(chunks)
            size += len(chunk)
            if size > MAX_ANSWER:
                raise Malformed(f"HAProxy at {self.address} answered with more than {MAX_ANSWER // 1024} KiB")
            chunks.append(chunk)


def runtime_at(written: str, timeout_s: float) -> Runtime:
    """The runtime API that a setting ``socket`` names.

    Raises:
        Rejected: the setting is neither a path nor HOST:PORT.
    """
    address = written.removeprefix("unix@").removeprefix("ipv4@")
    host, colon, port = address.rpartition(":")
    if is_path(address) or (host and colon and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        return Runtime(address, timeout_s)
    raise Rejected(
        f"socket = {address!r} is not an address of a runtime API", hint="write a path that begins with /, or HOST:PORT"
    )


def is_path(address: str) -> bool:
    return address.startswith("/")
