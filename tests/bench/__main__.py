"""``python -m tests.bench [--runs N]``: measure, print a table, write ``bench-startup.json``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from pathlib import Path

from tests.bench import startup


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure shiftdeck on the lab.")
    parser.add_argument("--runs", type=int, default=7, help="of each command; the median counts (default: 7)")
    runs = parser.parse_args().runs
    found = startup.measure(runs)
    out = sys.stdout
    out.write(f"\nfirst byte of output, median of {runs}\n\n{'':28}{'seconds':>9}{'ratio':>8}{'modules':>9}  textual\n")
    for name, row in found.items():
        out.write(
            f"{name:28}{row['seconds']:>9}{row['ratio']:>8}{row.get('modules', ''):>9}  {row.get('textual', '')}\n"
        )
    machine = {"python": platform.python_version(), "system": platform.platform(), "cpus": os.cpu_count()}
    path = Path("bench-startup.json")
    path.write_text(
        json.dumps({"machine": machine, "runs": runs, "commands": found}, indent=2) + "\n", encoding="utf-8"
    )
    out.write(f"\nwritten to {path}\n")


if __name__ == "__main__":
    main()
