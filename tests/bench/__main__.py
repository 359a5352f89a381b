"""``python -m tests.bench [GROUP …] [--quick] [--into FILE]``: measure, print a table, write it as JSON.

A group that fails is named and the others go on; the exit status tells then.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.groups import GROUPS, OPTIONAL, Run, group
from tests.bench.table import Row, machine, markdown, write


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure shiftdeck.")
    parser.add_argument("groups", nargs="*", choices=[*GROUPS, []], metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--quick", action="store_true", help="fewer runs, shorter waits: a first look")
    parser.add_argument("--into", type=Path, default=Path("bench-figures.json"), metavar="FILE")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a program that is installed has its bytecode
    out = sys.stdout
    found: dict[str, list[Row]] = {}
    failed: list[str] = []
    for name in options.groups or [name for name in GROUPS if name not in OPTIONAL]:
        out.write(f"{name} …\n")
        out.flush()
        rows = found[name] = []
        with TemporaryDirectory(prefix="shiftdeck-bench-") as folder:
            try:
                for row in group(name)(Run(Path(folder), options.quick)):
                    rows.append(row)
                    out.write(f"{markdown([row]).splitlines()[-1]}\n")
                    out.flush()
            except Exception:  # noqa: BLE001 - what the other groups found is worth having
                traceback.print_exc()
                failed.append(name)
        write(options.into, found)
    out.write(f"\n{markdown([row for rows in found.values() for row in rows])}\n\n")
    out.write(f"{machine()}\nwritten to {options.into}\n")
    if failed:
        raise SystemExit(f"could not be measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
