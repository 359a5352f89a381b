"""What an operator told to forget: subjects that are measured no longer, and rightly so (``shiftdeck forget``).

The file is beside the journal, so that all programs of the operator share it. A subject that is measured again, and
vanishes again, is told again.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path

from backends.contracts import Subject

NAME = "forgotten.jsonl"

Key = tuple[str, str, Subject]  # context, source, subject


class Forgotten:
    """The file, read again when it has changed. Thread-safe. A damaged line is as if it were not there."""

    def __init__(self, journal: Path) -> None:
        self._path = journal.with_name(NAME)
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._known: Mapping[Key, float] = {}

    def has(self, context: str, source: str, subject: Subject, at: float) -> bool:
        """Whether the subject was forgotten after its last data, which was at ``at``."""
        with self._lock:
            self._read()
            return self._known.get((context, source, subject), -1.0) >= at

    def add(self, context: str, source: str, subject: Subject, at: float) -> None:
        """Forget a subject, now.

        Raises:
            OSError: the file cannot be written.
        """
        line = {
            "context": context,
            "source": source,
            "scope": subject.scope,
            "endpoint": subject.endpoint,
            "variant": subject.variant,
            "at": at,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _read(self) -> None:
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp != self._stamp:
                self._known = _parsed(self._path.read_text(encoding="utf-8", errors="replace"))
                self._stamp = stamp
        except OSError:
            self._known, self._stamp = {}, None


def _parsed(text: str) -> Mapping[Key, float]:
    found: dict[Key, float] = {}
    for line in text.splitlines():
        try:
            raw = json.loads(line)
            texts = [raw[name] for name in ("context", "source", "endpoint", "variant", "scope")]
            at = float(raw["at"])
        except (ValueError, TypeError, KeyError, RecursionError, OverflowError):
            continue
        if all(isinstance(one, str) for one in texts):
            context, source, *subject = texts
            key = (context, source, Subject(*subject))
            found[key] = max(at, found.get(key, at))
    return found
