"""Locations of the files of MLflow's runs and models, and the model signature in an ``MLmodel`` file.

A location is ``runs:/RUN/PATH``, ``models:/NAME/VERSION/PATH`` or ``models:/NAME@ALIAS/PATH``, as in MLflow's
documentation.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

from backends.contracts import Column, Signature
from backends.errors import Malformed, Rejected, Unreachable
from backends.registries.mlflow_store import MAX_FILE, Location

PROXIED = "mlflow-artifacts"
MODEL_FILE = "MLmodel"


def parse_location(text: str) -> Location:
    """Raises:
    Rejected: the text is not a location, or its path leads out of its folder.
    """
    scheme, _, rest = text.partition(":/")
    parts = rest.lstrip("/").split("/") if rest else []
    path = ""
    found: Location | None = None
    if scheme == "runs" and parts and parts[0]:
        path = "/".join(parts[1:])
        found = Location(path, run=parts[0])
    elif scheme == "models" and parts:
        name, at, alias = parts[0].partition("@")
        if at and name and alias:
            found = Location("/".join(parts[1:]), model=name, alias=alias)
        elif name and len(parts) > 1 and parts[1]:
            found = Location("/".join(parts[2:]), model=name, version=parts[1])
    if found is None:
        hint = "write runs:/RUN/PATH, models:/NAME/VERSION/PATH or models:/NAME@ALIAS/PATH"
        raise Rejected(f"{text!r} names no artifact", hint=hint)
    check_path(found.path)
    return found


def check_path(path: str) -> None:
    """Check that a path stays within its folder.

    Raises:
        Rejected: the path is absolute, goes up, or holds characters that no path of MLflow has.
    """
    plain = unquote(path)
    bad = plain.startswith(("/", "~")) or "\\" in plain or any(not char.isprintable() for char in plain)
    if bad or ".." in plain.split("/") or ":" in plain.split("/")[0]:
        raise Rejected(f"the path {path!r} leads out of the folder of artifacts")


def local_path(uri: str) -> Path | None:
    """The path of a URI with the scheme ``file:`` or none; ``None`` for other schemes."""
    parts = urlsplit(uri)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return Path(uri) if not parts.scheme else None


def read_local(folder: Path, path: str) -> bytes:
    """The content of a file under a folder. A symbolic link is followed only if its target is in the folder.

    Raises:
        Rejected: there is no such file, or the path leads out of the folder.
        Unreachable: the file cannot be read.
        Malformed: the file is larger than 16 MiB.
    """
    file = _within(folder, path)
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_FILE + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise Rejected(f"there is no file {path} among the artifacts") from None
    except OSError as error:
        raise Unreachable(f"the artifact {path} cannot be read: {error.strerror}") from None
    if len(content) > MAX_FILE:
        raise Malformed(f"the artifact {path} is larger than {MAX_FILE >> 20} MiB")
    return content


def list_local(folder: Path, path: str) -> list[str]:
    """The names of the files in the folder ``path`` under ``folder``. Raises as ``read_local`` does."""
    found = _within(folder, path)
    try:
        return sorted(one.name for one in found.iterdir() if one.is_file())
    except (FileNotFoundError, NotADirectoryError):
        raise Rejected(f"there is no folder {path} among the artifacts") from None
    except OSError as error:
        raise Unreachable(f"the artifacts in {path} cannot be listed: {error.strerror}") from None


def _within(folder: Path, path: str) -> Path:
    check_path(path)
    root = folder.resolve()
    found = (root / path).resolve()
    if not found.is_relative_to(root):
        raise Rejected(f"the path {path!r} leads out of the folder of artifacts")
    return found


def signature_of(mlmodel: bytes) -> Signature | None:
    """The signature in an ``MLmodel`` file; ``None`` if the file has none.

    Raises:
        Malformed: the file or the signature is not in MLflow's format.
    """
    import yaml

    try:
        root = yaml.safe_load(mlmodel)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        raise Malformed("the model's MLmodel file is not YAML") from None
    told = root.get("signature") if isinstance(root, dict) else None
    if not isinstance(root, dict) or not isinstance(told, dict | None):
        raise Malformed("the model's MLmodel file is not what MLflow writes")
    if not told:
        return None
    return Signature(*(_columns(told.get(part)) for part in ("inputs", "outputs", "params")))


def _columns(told: object) -> tuple[Column, ...]:
    """The columns of a list. MLflow stores the list as JSON in a string."""
    if not told:
        return ()
    try:
        listed = json.loads(told) if isinstance(told, str) else told
    except (ValueError, RecursionError):
        raise Malformed("the model's signature is not JSON") from None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Malformed("the model's signature is not a list of columns")
    return tuple(
        Column(str(one.get("name") or place), _type(one), bool(one.get("required", one.get("default") is None)))
        for place, one in enumerate(cast("list[dict[str, object]]", listed))
    )


def _type(column: dict[str, object]) -> str:
    """The type as one string: "double", "tensor(float32, [-1,4])", "array(string)"."""
    kind = str(column.get("type", "?"))
    tensor, items = column.get("tensor-spec"), column.get("items")
    if isinstance(tensor, dict):
        return f"{kind}({tensor.get('dtype')}, {_compact(tensor.get('shape'))})"
    if isinstance(items, dict):
        return f"{kind}({_type(items)})"
    rest = {key: value for key, value in column.items() if key in ("properties", "values")}
    return f"{kind}{_compact(next(iter(rest.values())))}" if rest else kind


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)
