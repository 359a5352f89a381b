"""Adapters by name, through the entry-point group ``shiftdeck.backends``.

Ours are registered there like anybody's, as ``KIND.ADAPTER`` (``serving.lab``): a distribution that adds an entry
point adds an adapter. Names cost no import; an adapter's module is imported when it is asked for.

The group is read here, and not by ``importlib.metadata``: that brings the packages for mail and archives with it, and
makes objects of all the entry points of all that is installed, before the first frame and before every verb.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache, reduce
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from backends.contracts import Adapter

GROUP = "shiftdeck.backends"

KINDS = ("registries", "serving", "metrics", "accelerators", "drift", "alerts", "images")


def declared(text: str) -> Iterator[tuple[str, str]]:
    """Names and values of our group in the text of an ``entry_points.txt``, which is of this form:
    https://packaging.python.org/en/latest/specifications/entry-points/."""
    section = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == GROUP and line and line[0] not in "#;":
            name, _, value = line.partition("=")
            yield name.strip(), value.partition("[")[0].strip()  # extras say what it needs, not where it is


def installed(path: Iterable[str]) -> dict[str, str]:
    """Our group's entry points in all distributions on that search path, names and values. Of two distributions of one
    name, the first counts, as it does for an import."""
    found: dict[str, str] = {}
    seen: set[str] = set()
    for folder in dict.fromkeys(path):
        if folder and Path(folder).is_file():  # an archive
            from importlib.metadata import entry_points

            return {point.name: point.value.partition("[")[0].strip() for point in entry_points(group=GROUP)}
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 - a Path for each thing installed takes longer than the rest
        except OSError:
            continue
        for name in names:
            stem, kind = os.path.splitext(name)  # noqa: PTH122 - as above
            if kind not in {".dist-info", ".egg-info"}:
                continue
            distribution = re.sub(r"[-_.]+", "_", stem.partition("-")[0]).lower()
            if distribution in seen:
                continue
            seen.add(distribution)
            try:
                text = Path(folder, name, "entry_points.txt").read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            found.update(declared(text))
    return found


@cache
def _points() -> dict[str, str]:
    return installed(sys.path)


def adapter_names(kind: str) -> tuple[str, ...]:
    """The names of the adapters of that kind, in alphabetical order, without importing any."""
    prefix = f"{kind}."
    return tuple(sorted(name.removeprefix(prefix) for name in _points() if name.startswith(prefix)))


def adapter_class(kind: str, name: str) -> type[Adapter]:
    """The class of that adapter; imports its module, but not yet its SDK.

    Raises:
        LookupError: there is no such adapter; the message names those that there are.
    """
    point = _points().get(f"{kind}.{name}")
    if point is None:
        known = ", ".join(adapter_names(kind)) or "none installed"
        raise LookupError(f"no adapter {name!r} for {kind}: known are {known}")
    module, _, attributes = point.partition(":")
    return cast("type[Adapter]", reduce(getattr, attributes.split("."), import_module(module)))
