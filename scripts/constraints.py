"""Prints the versions in uv.lock as constraints for pip, so that uv and pip install the same versions.

A package with several versions in the lock, for different environments, gets no constraint.
"""

from __future__ import annotations

import sys
import tomllib
from collections import defaultdict
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "uv.lock"


def main() -> None:
    versions: dict[str, set[str]] = defaultdict(set)
    for package in tomllib.loads(LOCK.read_text(encoding="utf-8"))["package"]:
        if "registry" in package["source"]:
            versions[package["name"]].add(package["version"])
    lines = [f"{name}=={next(iter(found))}\n" for name, found in sorted(versions.items()) if len(found) == 1]
    sys.stdout.writelines(lines)


if __name__ == "__main__":
    main()
