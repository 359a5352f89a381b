"""Reports from a file, from the newest files of a folder, from an address, or from a registry's artifacts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Generic, TypeVar

from backends.contracts import Wiring
from backends.drift.artifacts import registry_of
from backends.dropped import Dropped
from backends.errors import Malformed, Rejected, Unreachable
from backends.http import HttpClient
from backends.options import Options, path, secret, source, text, url

T = TypeVar("T")
Name = TypeVar("Name", Path, str)

MAX_BYTES = 64 * 1024 * 1024
NEWEST = 240  # the newest files of a folder that are read

Parse = Callable[[bytes, str, float], T]
"""Parses a file: from its content, its name for error messages, and the time it was written (Unix seconds)."""


class FileOptions(Options):
    """Options: the place of the reports."""

    path = path("the report, or the folder of reports")
    url = url("or the address of the report")
    token = secret("bearer token for the address")
    registry = source("registries", "the registry that has the artifact")
    artifact = text("or the report, or a folder of reports, in that registry: runs:/RUN/PATH")


class Files(Generic[T]):
    """Parsed files. A file is parsed again only after it changed. Thread-safe.

    ``read`` raises:
        Unreachable: the file or folder cannot be read. A request to the address raises as ``HttpClient`` does.
        Malformed: no file is valid. In a folder, a file that is not is left out, and ``remarks`` tells of it.
        Rejected: no path, address or artifact is set.
    """

    def __init__(self, wiring: Wiring[FileOptions], suffixes: Iterable[str], parse: Parse[T]) -> None:
        options = wiring.options
        self._wiring = wiring
        self._artifact = options.artifact or ""
        self._artifacts: dict[str, T] = {}
        self._path = options.path
        self._suffixes = frozenset(suffixes)
        self._parse = parse
        self._lock = threading.Lock()
        self._known: dict[Path, tuple[tuple[int, int, int], T]] = {}
        self._dropped = Dropped()
        self._http = HttpClient(options.url, timeout_s=options.timeout_s, token=options.token) if options.url else None

    def read(self, now: float) -> tuple[T, ...]:
        """All reports, oldest first. The time of an answer from an address is ``now``, unless the answer has one."""
        if self._http is not None:
            answer = self._http.request("GET", "")
            return (self._parse(answer.body, self._http.where, now),)
        if self._path is None and not self._artifact:
            raise Rejected("there is nothing to read", hint="set `path`, `url`, or `registry` and `artifact`")
        with self._lock:
            self._dropped = Dropped()
            return self._of_path(self._path) if self._path is not None else self._of_artifacts(now)

    def remarks(self) -> tuple[str, ...]:
        """The files that the last ``read`` left out."""
        return self._dropped.remarks()

    def _readable(self, names: Sequence[Name], one: Callable[[Name], T]) -> tuple[T, ...]:
        """Each file's content, without those that are not valid."""
        read: list[T] = []
        for name in names:
            try:
                read.append(one(name))
            except Malformed as error:
                if name is names[-1] and not read:
                    raise
                self._dropped.add("a report that is not valid", error.message)
        return tuple(read)

    def close(self) -> None:
        if self._http is not None:
            self._http.close()

    def _of_path(self, path: Path) -> tuple[T, ...]:
        try:
            names = [path]
            if path.is_dir():
                found = [one for one in path.iterdir() if one.suffix.lower() in self._suffixes and one.is_file()]
                names = sorted(found, key=lambda one: (one.stat().st_mtime_ns, one.name))[-NEWEST:]
            read = self._readable(names, self._one)
            self._known = {name: self._known[name] for name in names if name in self._known}
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise Unreachable(f"{path} cannot be read: {reason}", hint="check `path`") from None
        return read

    def _of_artifacts(self, now: float) -> tuple[T, ...]:
        """The registry gives no time for an artifact: its time is that of its first read, or the one in its content."""
        registry = registry_of(self._wiring, self._wiring.options.registry)
        names: tuple[str, ...] = (self._artifact,)
        if PurePosixPath(self._artifact).suffix.lower() not in self._suffixes:
            found = registry.artifacts(self._artifact)
            names = tuple(one for one in found if PurePosixPath(one).suffix.lower() in self._suffixes)[-NEWEST:]

        def parsed(name: str) -> T:
            if name not in self._artifacts:
                self._artifacts[name] = self._parse(registry.artifact(name), name, now)
            return self._artifacts[name]

        read = self._readable(names, parsed)
        self._artifacts = {name: self._artifacts[name] for name in names if name in self._artifacts}
        return read

    def _one(self, path: Path) -> T:
        state = path.stat()
        version = (state.st_ino, state.st_mtime_ns, state.st_size)
        known = self._known.get(path)
        if known is None or known[0] != version:
            if state.st_size > MAX_BYTES:
                raise Malformed(f"{path} is larger than {MAX_BYTES // 1024**2} MiB")
            known = self._known[path] = (version, self._parse(path.read_bytes(), str(path), state.st_mtime))
        return known[1]
