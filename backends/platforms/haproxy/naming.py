"""Which servers of HAProxy belong to which variant, and which model they serve: HAProxy has no versions. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import ClassVar

from backends.contracts import ModelRef
from backends.errors import Rejected
from backends.options import Options, table, text, texts
from backends.platforms.haproxy.answers import Pool, Server

GROUP = "(.+?)(?:-[0-9]+)?"


class ProcessOptions(Options, platform="haproxy"):
    """The HAProxy process, and the rules that name its variants."""

    socket = text("HAProxy's stats socket: a path, or HOST:PORT", required=True)
    scope = text("the scope to give them, if metrics or alerts name one", default="")
    group = text("a server's name as a regular expression: its one group is the variant", default=GROUP)
    variants = table("variants by BACKEND/SERVER or pattern, before `group` is asked", default={})


class HaproxyPlatform:
    """One HAProxy process, which sources of several kinds can share."""

    OPTIONS: ClassVar[type[Options]] = ProcessOptions


class NamingOptions(Options):
    """The HAProxy process, the backends to show, and the rules that name its variants."""

    socket = ProcessOptions.socket
    backends = texts("the backends to show, by name or pattern; else all with servers", default=())
    scope = ProcessOptions.scope
    group = ProcessOptions.group
    variants = ProcessOptions.variants


@dataclass(frozen=True, slots=True)
class Naming:
    """``NamingOptions``, checked."""

    backends: tuple[str, ...]
    scope: str
    group: re.Pattern[str]
    variants: Mapping[str, str]

    @classmethod
    def of(cls, options: NamingOptions) -> Naming:
        """Raises ``Rejected`` if ``group`` is not a regular expression with exactly one group."""
        written = options.group
        try:
            group = re.compile(written)
        except re.error as error:
            raise Rejected(f"group = {written!r} is not a regular expression: {error}") from None
        if group.groups != 1:
            raise Rejected(
                f"group = {written!r} has {group.groups} groups", hint="one tells the variant; others: (?:…)"
            )
        return cls(options.backends, options.scope, group, options.variants)

    def wants(self, backend: str) -> bool:
        return not self.backends or any(fnmatchcase(backend, pattern) for pattern in self.backends)

    def variant(self, backend: str, server: str) -> str:
        """The variant of the server; if no rule names one, the variant has the server's own name."""
        if (told := looked_up(self.variants, f"{backend}/{server}")) is not None:
            return told
        found = self.group.fullmatch(server)
        return (found[1] if found else "") or server

    def members(self, pool: Pool) -> dict[str, list[Server]]:
        """The servers of each variant, in the order of the configuration, without backups."""
        found: dict[str, list[Server]] = {}
        for server in pool.servers:
            if not server.backup:
                found.setdefault(self.variant(pool.name, server.name), []).append(server)
        return found

    def backups(self, pool: Pool) -> dict[str, list[Server]]:
        """The backup servers, by variant. They have no part in the split."""
        found: dict[str, list[Server]] = {}
        for server in pool.servers:
            if server.backup:
                found.setdefault(self.variant(pool.name, server.name), []).append(server)
        return found


def looked_up(table: Mapping[str, str], name: str) -> str | None:
    """The table's value for that name. An exact key comes before patterns; patterns are tried in their order."""
    if name in table:
        return table[name]
    return next((value for pattern, value in table.items() if fnmatchcase(name, pattern)), None)


def model_of(written: str | None, variant: str) -> ModelRef | None:
    """The model from ``MODEL/VERSION``, or from ``MODEL``: then the variant's name is the version (``v8`` and ``8`` are
    version 8)."""
    if not written:
        return None
    model, slash, version = written.rpartition("/")
    if slash and model and version:
        return ModelRef(model, version)
    return ModelRef(written, variant[1:] if re.fullmatch("v[0-9].*", variant) else variant)
