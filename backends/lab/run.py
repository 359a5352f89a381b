"""The lab's process: starts everything, reports on stdout, and ends cleanly.

    python -m backends.lab [--drill NAME]… [--rate X] [--delay S] [--label-delay S]
                           [--state DIR] [--seed N] [--with-parent]

Stdout is JSON lines: ``{"progress": 0–1, "message": …}`` while it starts, then exactly one ``{"config", "gateway",
"registry", "metrics"}``, then nothing. It ends on SIGTERM, SIGINT and SIGHUP; with ``--with-parent`` also when stdin
reaches its end or the parent ends. Its state is in a temporary folder that it removes, or in ``DIR``, which it keeps.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import math
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from backends.lab import state
from backends.lab.builder import LabError
from backends.lab.drills import SUMMARIES
from backends.lab.pace import SLOW, START, USUAL, Pace
from backends.lab.process import when_parent_ends
from backends.lab.start import Options, live

END_WITHIN_S = 1.5  # the longest time for the end of the process


def main() -> None:
    """The process. Its exit status is 0 if it was asked to end, and 1 if it could not start."""
    arguments = _arguments()
    os.umask(0o077)
    try:
        with state.folder(arguments.state) as folder:
            _log_to(folder / "lab.log")
            asyncio.run(_until_told(arguments, folder))
    except (LabError, OSError) as error:
        sys.stderr.write(f"the lab ended: {error}\n")
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m backends.lab", description="An embedded world to rehearse in.")
    parser.add_argument("--drill", action="append", default=[], choices=sorted(SUMMARIES), help="start with a fault")
    parser.add_argument(
        "--rate",
        type=_number,
        metavar="X",
        default=USUAL.rate,
        help="so many times the usual requests per second: a core serves about ten times as many (default: 1)",
    )
    parser.add_argument(
        "--delay",
        type=_number,
        metavar="S",
        default=USUAL.delay_s,
        help="seconds that a change of traffic takes at most; the start of a replica takes "
        f"{START:g} times as long, and a change in the drill slow-control-plane {SLOW:g} times (default: 2)",
    )
    parser.add_argument(
        "--label-delay",
        type=_number,
        metavar="S",
        default=USUAL.label_s,
        help="seconds from an answer until it is known how right it was (default: 60)",
    )
    parser.add_argument("--state", type=Path, help="keep the state in this folder (default: a temporary one)")
    parser.add_argument("--seed", type=int, default=7, help="of all that is random (default: 7)")
    parser.add_argument("--with-parent", action="store_true", help="end when stdin does, or the parent")
    return parser.parse_args()


def _number(text: str) -> float:
    try:
        return positive(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> float:
    """Raises ``ValueError`` if ``text`` is not a number above 0."""
    with suppress(ValueError):
        if math.isfinite(value := float(text)) and value > 0:
            return value
    raise ValueError(f"{text!r} is not a number above 0")


def _log_to(path: Path) -> None:
    """Write the server's warnings to a file, as stderr can be the terminal on which the app draws."""
    handler = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=1, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


async def _until_told(arguments: argparse.Namespace, folder: Path) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, told.set)

    def orphaned() -> None:
        with suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(told.set)
        time.sleep(END_WITHIN_S)
        if arguments.state is None:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)  # the loop did not end in time, and there is no parent to end this process

    if arguments.with_parent:
        when_parent_ends(orphaned, watch_stdin=True)
    pace = Pace(arguments.rate, arguments.delay, arguments.label_delay)
    options = Options(folder, arguments.seed, tuple(arguments.drill), pace)
    lab = asyncio.create_task(live(options, _tell))
    end = asyncio.create_task(told.wait())
    await asyncio.wait({lab, end}, return_when=asyncio.FIRST_COMPLETED)
    end.cancel()
    if not lab.done():
        lab.cancel()
        await asyncio.wait({lab}, timeout=END_WITHIN_S)
    if lab.done() and not lab.cancelled():
        lab.result()


def _tell(line: Mapping[str, object]) -> None:
    with suppress(OSError):  # the reader has ended; that alone does not end the lab
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
