"""``shiftdeck doctor``: tests whether every source can be reached, read and written, and says what to do if not."""

from __future__ import annotations

import locale
import os
import platform
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import click

from backends.contracts import Probe, ProbeKind
from backends.errors import BackendError
from backends.text import safe_message
from shiftdeck.common.clock import Clock
from shiftdeck.config.loader import SourceConfig
from shiftdeck.engine.engine import Engine
from shiftdeck.fleet.coverage import Covered
from shiftdeck.journal.exposure import remarks
from shiftdeck.journal.journal import Journal
from shiftdeck.sources.text_gate import shown
from tui.cli.doctor_joins import joins
from tui.cli.json_output import iso, number, table
from tui.cli.load_config import Place, find_place
from tui.cli.options import Common, ExitCode, common_options, pass_common, stop
from tui.cli.text_output import coloured
from tui.input.renamed_keys import renamed
from tui.render.format import DASH, latency

ANSWERS = 4.0
"""The deadline of a probe, in timeouts of its source: a probe may make several calls."""

EXTRA_S = 5.0

SYMBOLS: Mapping[bool | None, tuple[str, str | None]] = {True: ("✔", "green"), False: ("✖", "red"), None: ("?", None)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about this machine. ``ok`` is ``None`` if it is information only."""

    name: str
    ok: bool | None
    detail: str
    hint: str = ""


@dataclass(slots=True)
class Examination:
    """The test of one source, on a thread of its own: a backend that hangs must not delay the report on the others."""

    source: SourceConfig
    probes: tuple[Probe, ...] = ()
    done: threading.Event = field(default_factory=threading.Event)

    def begin(self, engine: Engine) -> None:
        threading.Thread(target=self._try, args=(engine,), name=f"doctor-{self.source.name}", daemon=True).start()

    def _try(self, engine: Engine) -> None:
        try:
            self.probes = shown(engine.adapter(self.source.kind, self.source.name).probe())
        except (BackendError, LookupError) as error:
            self.probes = (Probe(ProbeKind.REACH, False, str(error), getattr(error, "hint", "")),)
        except Exception as error:  # noqa: BLE001 - a third party's adapter may raise anything; that is a finding too
            words = safe_message(f"the adapter failed: {type(error).__name__}: {error}")
            self.probes = (Probe(ProbeKind.REACH, False, words, "please report it to the adapter's authors"),)
        finally:
            self.done.set()

    def end(self, deadline: float) -> None:
        if not self.done.wait(max(0.0, deadline - time.monotonic())):
            waited = f"no answer within {ANSWERS * self.source.timeout_s + EXTRA_S:g} s"
            self.probes = (Probe(ProbeKind.REACH, False, waited, "it may hang, or be very slow"),)

    def of(self, kind: ProbeKind) -> Probe | None:
        return next((probe for probe in self.probes if probe.kind is kind), None)

    @property
    def ok(self) -> bool:
        return all(probe.ok is not False for probe in self.probes)


@click.command(short_help="Try every source, and say what to do about what fails.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@pass_common
def doctor(common: Common, as_json: bool) -> None:
    """Try every source of the context: can it be reached, read and written, and how quickly. Nothing is changed. Exit
    code 1 where anything is wrong."""
    printer = common.printer()
    place = find_place(common)
    findings = environment(os.environ, place)
    found, joined = examine(place)
    findings += [Finding(one.source, one.ok, one.detail, one.hint) for one in joined]
    ok = all(one.ok for one in found) and all(one.ok is not False for one in findings)
    if as_json:
        printer.json(report_json(place, found, findings, ok=ok, at=Clock().wall()))
    else:
        for line in report_lines(found, findings):
            printer.out(line)
    stop(ExitCode.DONE if ok else ExitCode.FAILED)


def examine(place: Place) -> tuple[list[Examination], list[Covered]]:
    """Try all sources at the same time; then compare what metrics tell of with what serving tells of."""
    engine = Engine(place.context, Journal(place.config.journal))
    found = [Examination(source) for source in place.context.sources]
    began = time.monotonic()
    for one in found:
        one.begin(engine)
    for one in found:
        one.end(began + ANSWERS * one.source.timeout_s + EXTRA_S)
    well = [one.source for one in found if one.done.is_set() and one.probes and one.ok]
    joined = joins(engine, place.context, well, max((one.timeout_s for one in well), default=0.0) + EXTRA_S)
    if all(one.done.is_set() for one in found):
        engine.stop(0.0)
    return found, joined


# ── the machine ─────────────────────────────────────────────────────────────────────────────────────────────────


def environment(env: Mapping[str, str], place: Place) -> list[Finding]:
    """The files and the terminal."""
    journal = place.config.journal
    return [
        Finding("version", None, f"shiftdeck {version('shiftdeck')}, Python {platform.python_version()}"),
        Finding("config", True, str(place.config.path)),
        *(Finding("keys", None, notice, "see [keys] in the configuration") for notice in renamed(place.config.keys)[1]),
        _writable("journal", journal),
        *(Finding("journal", False if one.wrong else None, one.message, one.hint) for one in remarks(journal)),
        *_terminal(env),
        _drawing(),
    ]


def _writable(name: str, path: Path) -> Finding:
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if os.access(there, os.W_OK):
        return Finding(name, True, str(path))
    return Finding(name, False, f"{path} cannot be written", f"nothing is changed without it: allow writing {there}")


def _terminal(env: Mapping[str, str]) -> list[Finding]:
    from tui.terminal.capabilities import detect

    found = detect()
    encoding = locale.getpreferredencoding(do_setlocale=False)
    utf8 = "utf" in encoding.lower()
    term = env.get("TERM", "")
    size = f", {os.get_terminal_size().columns}×{os.get_terminal_size().lines}" if sys.stdout.isatty() else ""
    findings = [
        Finding(
            "terminal",
            None if term else False,
            f"TERM={term or 'unset'}, {_COLOURS[str(found.colours)]}{size}",
            "" if term else "set TERM: the app cannot know what to write",
        ),
        Finding(
            "encoding",
            True if utf8 else None,
            f"{encoding} (LANG={env.get('LANG', '')})",
            "" if utf8 else "symbols are shown in ASCII; LANG=C.UTF-8 shows all symbols",
        ),
    ]
    if env.get("TMUX"):
        findings.append(Finding("tmux", None, "yes", "copying needs `set -g set-clipboard on` in tmux"))
    elif env.get("STY"):
        findings.append(Finding("screen", None, "yes"))
    return findings


def _drawing() -> Finding:
    """Which code draws the app, and why."""
    from tui.terminal import drawing

    found = drawing.textual_version()
    if drawing.is_painted():
        return Finding("drawing", None, f"shiftdeck's own: it was tested with Textual {found}")
    return Finding(
        "drawing",
        None,
        f"Textual's own: shiftdeck's was not tested with Textual {found}",
        f"more is written to the terminal; `pip install textual=={drawing.TESTED[-1]}` brings shiftdeck's drawing back",
    )


_COLOURS = {"full": "all colours", "sixteen": "16 colours", "none": "no colours"}

# ── the report ──────────────────────────────────────────────────────────────────────────────────────────────────


def report_lines(found: list[Examination], findings: list[Finding]) -> list[str]:
    rows = [_cells(one) for one in found]
    head = ("SOURCE", "KIND", "ADAPTER", "REACH", "READ", "WRITE", "TIME", "")
    lines = table(rows, head=head, right=(6,)) if rows else ["no sources"]
    hints = [f"{one.source.name}: {probe.hint}" for one in found for probe in one.probes if probe.hint and not probe.ok]
    hints += [f"{one.name}: {one.hint}" for one in findings if one.hint]
    lines += [
        "",
        *table([(coloured(SYMBOLS[one.ok]) if one.ok is not None else " ", one.name, one.detail) for one in findings]),
    ]
    return [*lines, "", "what to do:", *(f"  {hint}" for hint in hints)] if hints else lines


def _cells(one: Examination) -> tuple[str, ...]:
    tried = [one.of(kind) for kind in ProbeKind]
    worst = next((probe for probe in one.probes if probe.ok is False), None)
    said = worst.detail if worst else "; ".join(probe.detail for probe in one.probes if probe.detail)
    times = [probe.latency_s for probe in one.probes if probe.latency_s is not None]
    return (
        one.source.name,
        one.source.kind,
        one.source.adapter,
        *(coloured(SYMBOLS[probe.ok]) if probe else DASH for probe in tried),
        latency(max(times) if times else None),
        said,
    )


def report_json(
    place: Place, found: list[Examination], findings: list[Finding], *, ok: bool, at: float
) -> dict[str, object]:
    """The object that ``doctor --json`` prints. ``ok`` is null if something could not be tested."""
    return {
        "generated_at": iso(at),
        "context": place.context.name,
        "ok": ok,
        "sources": [
            {
                "name": one.source.name,
                "kind": one.source.kind,
                "adapter": one.source.adapter,
                "ok": one.ok,
                "probes": [
                    {
                        "kind": str(probe.kind),
                        "ok": probe.ok,
                        "detail": probe.detail,
                        "hint": probe.hint,
                        "latency_s": number(probe.latency_s),
                    }
                    for probe in one.probes
                ],
            }
            for one in found
        ],
        "environment": [{"name": f.name, "ok": f.ok, "detail": f.detail, "hint": f.hint} for f in findings],
    }
