"""Drift scores from files that a scorer writes. A subclass parses the format of its scorer."""

from __future__ import annotations

import threading
from typing import ClassVar

from backends.contracts import DriftScore, Probe, ProbeKind, Wiring
from backends.drift.files import FileOptions, Files
from backends.drift.reported import AboutOptions, Report, Reports, with_past
from backends.errors import BackendError


class ReportOptions(FileOptions, AboutOptions):
    """Options: the place of the reports, and their subject."""


class ReportFiles:
    """A ``Drift``. Subclasses set the suffixes of reports and parse them. Thread-safe."""

    SUFFIXES: ClassVar[tuple[str, ...]]
    EMPTY: ClassVar[str]
    """The hint for the user if a report has no scores."""

    def __init__(self, wiring: Wiring[ReportOptions], stale_after_s: float) -> None:
        self._clock = wiring.clock
        self._lock = threading.Lock()
        self._files = Files(wiring, self.SUFFIXES, self._parse)
        self._reports = Reports(stale_after_s)

    def scores(self) -> tuple[DriftScore, ...]:
        """The newest score of each feature and method. Older reports of a folder are its history.

        Raises:
            BackendError: as ``Files.read`` raises it.
        """
        now = self._clock()
        reports = with_past(report for some in self._files.read(now) for report in some)
        with self._lock:
            return self._reports.scores(reports, now)

    def remarks(self) -> tuple[str, ...]:
        """The reports that are not valid."""
        return self._files.remarks()

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
        """The reports in ``content``. ``where`` is the name for error messages; ``written`` is in Unix seconds.

        Raises:
            Malformed: the content is not a report; the message gives the place and the reason.
        """
        raise NotImplementedError
