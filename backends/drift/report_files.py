"""Drift out of files that a scorer writes. What its reports look like is each scorer's own."""

from __future__ import annotations

import threading
from typing import ClassVar

from backends.contracts import DriftScore, Probe, ProbeKind, Wiring
from backends.drift.files import FileOptions, Files
from backends.drift.reported import AboutOptions, Report, Reports, with_past
from backends.errors import BackendError


class ReportOptions(FileOptions, AboutOptions):
    """Where the reports lie, and what they are about."""


class ReportFiles:
    """A ``Drift``. Subclasses say which files are reports. Thread-safe."""

    SUFFIXES: ClassVar[tuple[str, ...]]
    EMPTY: ClassVar[str]
    """What to do where a report has no scores."""

    def __init__(self, wiring: Wiring[ReportOptions], stale_after_s: float) -> None:
        self._clock = wiring.clock
        self._lock = threading.Lock()
        self._files = Files(wiring, self.SUFFIXES, self._parse)
        self._reports = Reports(stale_after_s)

    def scores(self) -> tuple[DriftScore, ...]:
        """The newest score of each feature and method; older reports of a folder are its history.

        Raises:
            Unreachable, Malformed, Rejected: of the file or folder; and what the address raises.
        """
        now = self._clock()
        reports = with_past(report for some in self._files.read(now) for report in some)
        with self._lock:
            return self._reports.scores(reports, now)

    def probe(self) -> tuple[Probe, ...]:
        try:
            scores = self.scores()
        except BackendError as error:
            return (Probe(ProbeKind.READ, False, error.message, error.hint),)
        dead = sum(score.value is None for score in scores)
        hint = "" if scores else self.EMPTY
        return (Probe(ProbeKind.READ, len(scores) > dead, f"{len(scores)} scores, {dead} without a value", hint),)

    def close(self) -> None:
        self._files.close()

    def _parse(self, content: bytes, where: str, written: float) -> tuple[Report, ...]:
        """The reports in ``content``; ``where`` is the name to complain under, ``written`` in Unix seconds.

        Raises:
            Malformed: it is no report; the message tells where and why.
        """
        raise NotImplementedError
