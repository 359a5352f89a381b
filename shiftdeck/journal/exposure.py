"""What makes a journal easy to alter or to mistake for another: who else may write to it, and its other names."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from shiftdeck.journal.storage import head_path


@dataclass(frozen=True, slots=True)
class Remark:
    """A remark on the files of a journal. ``wrong`` is false for what can be intended."""

    message: str
    hint: str
    wrong: bool = True


def remarks(journal: Path) -> tuple[Remark, ...]:
    """Remarks on the journal, its head and its folder, as far as they are there."""
    real = Path(os.path.realpath(journal))
    return (*_writers(real), *_names(real))


def _writers(journal: Path) -> Iterator[Remark]:
    for path in (journal, head_path(journal), journal.parent):
        with suppress(OSError):  # it is not there yet, or cannot be looked at
            mode = path.stat().st_mode
            if stat.S_ISDIR(mode) and mode & stat.S_ISVTX:
                continue  # there, nobody replaces a file of somebody else
            if mode & stat.S_IWOTH:
                yield Remark(f"{path} may be written by everybody: anybody can rewrite the record", f"chmod o-w {path}")
            elif mode & stat.S_IWGRP:
                group = f"{path} may be written by its group, which can rewrite the record"
                yield Remark(group, f"chmod g-w {path}, unless the group shares the journal", wrong=False)


def _names(journal: Path) -> Iterator[Remark]:
    with suppress(OSError):
        links = journal.stat().st_nlink
        if links > 1:
            names = f"{journal} has {links} names (hard links); its locks and its head belong to this one only"
            yield Remark(names, "configure the same name everywhere", wrong=False)
