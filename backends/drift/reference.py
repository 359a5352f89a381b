"""Reference distributions for comparison with live ones, from a file: JSON, or CSV (``backends.drift.table``).

``{"features": [{"model": "m", "version": "7", "feature": "f", "bounds": [1, 2, null], "counts": [10, 20, 5]}]}``:
``counts[i]`` is the number in (``bounds[i-1]``, ``bounds[i]``], and the last bound, ``null``, means +Inf. A feature
with categories has their names instead of bounds: ``"categories": ["DE", "FR"]``. An entry without a version, or with
``"*"``, is for all versions of its model that have no entry of their own.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

from backends.contracts import ModelRef
from backends.drift.distribution import Distribution
from backends.drift.table import parse_table
from backends.errors import Malformed, Unreachable

MAX_BYTES = 64 * 1024 * 1024
ANY = "*"

Feature = tuple[str, str, str]  # model, version, feature
Baseline = Mapping[Feature, Distribution]


def of(baseline: Baseline, feature: Feature) -> Distribution | None:
    """The reference of one feature: that of its version, or else that of its model."""
    found = baseline.get(feature)
    return found if found is not None else baseline.get((feature[0], ANY, feature[2]))


class References:
    """A reference file, read again after it changed. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._read: tuple[tuple[int, int, int], Baseline] | None = None

    def load(self) -> Baseline:
        """All references by model, version and feature.

        Raises:
            Unreachable: the file does not exist or cannot be read.
            Malformed: the file is not in the format above; the message gives the place.
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


def parse(content: bytes, where: str, about: ModelRef | None = None) -> Baseline:
    """References from the content of a file. If its name ends in ``.csv``, the content is a table.

    ``about`` is the model version for entries without one.

    Raises:
        Malformed: the content is not valid; the message has ``where`` and the reason.
    """
    table = where.partition(" of ")[0].lower().endswith(".csv")
    entries = parse_table(content, where, about) if table else _entries(content, where)
    found: dict[Feature, Distribution] = {}
    for index, entry in enumerate(entries):
        here = f"{where}: features[{index}]"
        if not isinstance(entry, dict):
            raise Malformed(f"{here} is not an object")
        usual = (about.model, about.version) if about is not None else (None, ANY)
        names = [entry.get("model", usual[0]), entry.get("version", usual[1]), entry.get("feature")]
        if not all(isinstance(name, str | int) and not isinstance(name, bool) for name in names):
            raise Malformed(f"{here} lacks model, version or feature")
        model, version, feature = map(str, names)
        found[model, version or ANY, feature] = _reference(entry, here)
    return found


def _entries(content: bytes, where: str) -> list[object]:
    try:
        root = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"{where} is not JSON: {error}") from None
    features = root.get("features") if isinstance(root, dict) else None
    if not isinstance(features, list):
        raise Malformed(f'{where} has no list "features"')
    return features


def _reference(entry: Mapping[str, object], here: str) -> Distribution:
    bounds, categories, counts = entry.get("bounds"), entry.get("categories"), entry.get("counts")
    named = "bounds" if categories is None else "categories"
    bins = bounds if categories is None else categories
    if not isinstance(bins, list) or not isinstance(counts, list) or len(bins) != len(counts):
        raise Malformed(f"{here} needs lists {named} and counts of the same length")
    numbers = tuple(_number(count, here) for count in counts)
    if any(number < 0 for number in numbers) or not 0 < sum(numbers) < math.inf:
        raise Malformed(f"{here}: counts are negative, too large, or all 0")
    if categories is not None:
        names = tuple(str(one) for one in bins if isinstance(one, str | int | float))
        if len(set(names)) != len(bins):
            raise Malformed(f"{here}: categories are not names, each of them once")
        return Distribution(numbers, categories=names)
    if len(bins) < 2 or bins[-1] is not None:
        raise Malformed(f"{here}: bounds need two entries or more, the last of them null")
    edges = [_number(bound, here) for bound in bins[:-1]]
    if any(low >= high for low, high in pairwise(edges)):
        raise Malformed(f"{here}: bounds do not rise")
    return Distribution(numbers, (*edges, math.inf))


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
