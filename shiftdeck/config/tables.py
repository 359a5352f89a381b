"""Reading one table of the configuration file: what is wrong goes to ``Findings``, and a default takes its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from shiftdeck.config import values
from shiftdeck.config.errors import Findings
from shiftdeck.config.toml_lines import KeyPath

Value = TypeVar("Value")
Table = Mapping[str, object]


def known(key: KeyPath, table: Table, accepted: tuple[str, ...], findings: Findings) -> None:
    """Each key that is none of ``accepted`` is a finding."""
    for name in table:
        if name not in accepted:
            findings.unknown((*key, name), accepted)


def table_at(parent: Table, key: KeyPath, findings: Findings) -> Table:
    """The table under the last part of ``key``, or an empty one."""
    value = parent.get(key[-1], {})
    if isinstance(value, Mapping):
        return value
    findings.add(key, "write a table here")
    return {}


def read(table: Table, key: KeyPath, findings: Findings, convert: Callable[[object], Value], default: Any) -> Any:
    """The converted value under the last part of ``key``; ``default`` where there is none or it is refused."""
    if key[-1] not in table:
        return default
    try:
        return convert(table[key[-1]])
    except values.Refused as error:
        findings.add(key, str(error), error.accepted)
    except ValueError as error:
        findings.add(key, str(error))
    return default
