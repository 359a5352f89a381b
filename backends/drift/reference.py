"""The reference distributions that live ones are compared with, from a JSON file.

``{"features": [{"model": "m", "version": "7", "feature": "f", "bounds": [1, 2, null], "counts": [10, 20, 5]}]}``, where
``counts[i]`` is the number in (``bounds[i-1]``, ``bounds[i]``] and the last bound, ``null``, stands for +Inf.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from backends.drift.psi import shares
from backends.errors import Malformed, Unreachable

MAX_BYTES = 64 * 1024 * 1024

Feature = tuple[str, str, str]  # model, version, feature


@dataclass(frozen=True, slots=True)
class Reference:
    bounds: tuple[float, ...]
    shares: tuple[float, ...]


class References:
    """A reference file, read anew when it changed. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, int, int], Mapping[Feature, Reference]] | None = None

    def load(self) -> Mapping[Feature, Reference]:
        """All references by model, version and feature.

        Raises:
            Unreachable: the file is not there or cannot be read.
            Malformed: it is not what the module says; the message tells where.
        """
        with self._lock:
            try:
                found = self.path.stat()
                version = (found.st_ino, found.st_mtime_ns, found.st_size)
                if self._read is None or self._read[0] != version:
                    if found.st_size > MAX_BYTES:
                        raise Malformed(f"{self.path} is larger than {MAX_BYTES // 1024**2} MiB")
                    self._read = (version, parse(self.path.read_bytes(), str(self.path)))
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise Unreachable(
                    f"the reference {self.path} cannot be read: {reason}", hint="check `reference`"
                ) from None
            return self._read[1]


def parse(content: bytes, where: str) -> Mapping[Feature, Reference]:
    """References from the file's content. Raises ``Malformed``, with ``where`` and the reason."""
    try:
        root = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{where} is not JSON: {error}") from None
    features = root.get("features") if isinstance(root, dict) else None
    if not isinstance(features, list):
        raise Malformed(f'{where} has no list "features"')
    found: dict[Feature, Reference] = {}
    for index, entry in enumerate(features):
        here = f"{where}: features[{index}]"
        if not isinstance(entry, dict):
            raise Malformed(f"{here} is not an object")
        names = [entry.get(key) for key in ("model", "version", "feature")]
        if not all(isinstance(name, str | int) and not isinstance(name, bool) for name in names):
            raise Malformed(f"{here} lacks model, version or feature")
        model, version, feature = map(str, names)
        found[model, version, feature] = _reference(entry, here)
    return found


def _reference(entry: Mapping[str, object], here: str) -> Reference:
    bounds, counts = entry.get("bounds"), entry.get("counts")
    if not isinstance(bounds, list) or not isinstance(counts, list) or len(bounds) != len(counts):
        raise Malformed(f"{here} needs lists bounds and counts of the same length")
    if len(bounds) < 2 or bounds[-1] is not None:
        raise Malformed(f"{here}: bounds need two entries or more, the last of them null")
    edges = [_number(bound, here) for bound in bounds[:-1]]
    if any(low >= high for low, high in pairwise(edges)):
        raise Malformed(f"{here}: bounds do not rise")
    numbers = [_number(count, here) for count in counts]
    if any(number < 0 for number in numbers) or sum(numbers) <= 0:
        raise Malformed(f"{here}: counts are negative, or all 0")
    return Reference((*edges, math.inf), shares(numbers))


def _number(value: object, here: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(f"{here}: {str(value)[:40]!r} is not a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Malformed(f"{here}: a bound or count is not finite")
    return number
