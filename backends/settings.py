"""The settings of an adapter: declared by the adapter and validated by ``shiftdeck.config.loader``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from backends.errors import Unauthenticated
from backends.text import SHORTEST, remember_secret

COMMAND_TIMEOUT_S = 10.0
"""How long a command that prints a credential may take."""


class SettingType(StrEnum):
    """How the value of a setting is written in the configuration file."""

    TEXT = "text"
    URL = "URL"  # http(s)://…
    NUMBER = "number"
    PERCENT = "percent"  # "2.5%" or 2.5
    DURATION = "duration"  # "500ms", "2s", "5m", "1h": seconds as a float once validated
    FLAG = "true or false"
    PATH = "path"  # "~" and relative paths resolved against the file's folder: a pathlib.Path once validated
    TEXTS = "list of texts"
    TABLE = "table of texts"  # { name = "value", … }
    SECRET = "secret"  # { env = "NAME" }, { file = "PATH" } or { command = ["…"] }: a Secret once validated
    SOURCE = "name of a source"  # another source of this context, of the kind in ``Setting.source_kind``


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of an adapter's table. ``default`` is already a validated value; ``None`` means "not set". ``platform``
    is a type of platform: a table of that type may set the key for all sources on the platform."""

    key: str
    type: SettingType
    help: str
    default: object = None
    required: bool = False
    choices: tuple[str, ...] = ()
    source_kind: str = ""
    platform: str = ""


class Secret:
    """A credential. The configuration says where it is kept; it is read when it is used, so that a new login needs no
    restart.

    ``repr`` and ``str`` never show the value, only where it comes from.
    """

    __slots__ = ("_command", "_env", "_file")

    def __init__(
        self, *, env: str | None = None, file: Path | None = None, command: Sequence[str] | None = None
    ) -> None:
        if sum(given is not None for given in (env, file, command)) != 1:
            raise ValueError("a secret takes exactly one of env, file, command")
        self._env = env
        self._file = file
        self._command = tuple(command) if command is not None else None

    def __repr__(self) -> str:
        return f"<secret from {self.origin}>"

    __str__ = __repr__

    @property
    def origin(self) -> str:
        """Where the value comes from, in words that are safe to show."""
        if self._env is not None:
            return f"environment variable {self._env}"
        if self._file is not None:
            return f"file {self._file}"
        assert self._command is not None
        return f"command {self._command[0]}"

    def reveal(self) -> str:
        """The value, read now, without surrounding white space.

        Raises:
            Unauthenticated: the variable is not set, the file cannot be read, the command fails or takes over 10 s, or
                the value is too short to be masked by its value.
        """
        value = self._read().strip()
        if not value:
            raise Unauthenticated(f"the {self.origin} holds no credential", hint=f"set it: {self.origin}")
        if len(value) < SHORTEST:
            words = f"the {self.origin} holds a credential of fewer than {SHORTEST} characters"
            raise Unauthenticated(words, hint="it could not be kept out of messages: use a longer one")
        remember_secret(value)
        return value

    def _read(self) -> str:
        if self._env is not None:
            return os.environ.get(self._env, "")
        if self._file is not None:
            try:
                return self._file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise Unauthenticated(f"the {self.origin} cannot be read: {type(error).__name__}") from None
        return self._printed()

    def _printed(self) -> str:
        from backends.command import run

        assert self._command is not None
        by_hand = "run it by hand to see why"
        try:
            done = run(self._command, COMMAND_TIMEOUT_S)
        except TimeoutError as error:
            raise Unauthenticated(f"the {self.origin} gave no credential: {error}", hint=by_hand) from None
        except (OSError, ValueError) as error:
            raise Unauthenticated(f"the {self.origin} cannot be run: {type(error).__name__}", hint=by_hand) from None
        if done.status != 0:
            raise Unauthenticated(f"the {self.origin} ended with status {done.status}", hint=by_hand)
        try:
            return done.stdout.decode("utf-8")
        except UnicodeDecodeError:
            raise Unauthenticated(f"the {self.origin} printed bytes that are not UTF-8", hint=by_hand) from None
