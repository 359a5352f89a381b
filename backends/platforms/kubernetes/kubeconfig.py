"""Kubeconfig files as kubectl reads them: several are merged, the first that has a name wins, and paths are relative to
the folder of the file in which they stand."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backends.errors import Unreachable
from backends.platforms.kubernetes.objects import items, text

NAMED = {"clusters": "cluster", "users": "user", "contexts": "context"}
"""The lists of a kubeconfig, each with the key under which an entry has its settings."""

PATHS = {"cluster": ("certificate-authority",), "user": ("client-certificate", "client-key", "tokenFile")}


def merged(files: Sequence[Path]) -> dict[str, Any]:
    """One kubeconfig out of those files, with absolute paths. Empty files are left out.

    Raises:
        OSError: a file cannot be read.
        yaml.YAMLError: a file is not YAML.
        Unreachable: a file is no table.
    """
    import yaml

    made: dict[str, Any] = {"current-context": "", **{key: [] for key in NAMED}}
    for path in files:
        told: object = yaml.safe_load(path.read_text(encoding="utf-8"))
        if told is None:
            continue
        if not isinstance(told, Mapping):
            raise Unreachable(f"{path} is no kubeconfig", hint="kubectl config view shows it")
        made["current-context"] = made["current-context"] or text(told, "current-context")
        for key, inner in NAMED.items():
            known = {text(one, "name") for one in made[key]}
            for entry in items(told, key):
                if text(entry, "name") not in known:
                    made[key].append({**entry, inner: _resolved(entry.get(inner), inner, path.absolute().parent)})
    return made


def chosen(config: Mapping[str, Any], context: str, where: str) -> str:
    """The context of a merged kubeconfig to use: ``context``, or the current one if that is "".

    Raises:
        Unreachable: there is no such context. The hint lists those that there are.
    """
    known = [text(one, "name") for one in items(config, "contexts")]
    wanted = context or text(config, "current-context")
    if wanted in known:
        return wanted
    listed = f"it has {', '.join(sorted(known))}" if known else "it has no contexts"
    if not wanted:
        raise Unreachable(f"{where} has no current context", hint=f'set context = "NAME" for this source: {listed}')
    raise Unreachable(f"{where} has no context {wanted!r}", hint=listed)


def setting_of(config: Mapping[str, Any], context: str, key: str) -> str:
    """A setting of that context, such as the name of its user, or ""."""
    return next((text(one, "context", key) for one in items(config, "contexts") if text(one, "name") == context), "")


def _resolved(settings: object, inner: str, folder: Path) -> object:
    """The settings of one cluster or user with absolute paths."""
    if not isinstance(settings, Mapping):
        return settings
    made = dict(settings)
    for key in PATHS.get(inner, ()):
        if named := text(made, key):
            made[key] = os.path.normpath(folder / named)
    command = text(made, "exec", "command")
    if os.sep in command:  # a bare name is looked for on the path
        made["exec"] = {**made["exec"], "command": os.path.normpath(folder / command)}
    return made


def with_token(user: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a user with the content of its token file as its token: editors and kubelets end it with a
    newline. The file counts for more than a token beside it, as for kubectl.

    Raises:
        Unreachable: the file cannot be read, and there is no token beside it.
    """
    made = dict(user)
    if named := text(made, "tokenFile"):
        del made["tokenFile"]
        try:
            made["token"] = Path(named).read_text(encoding="utf-8").strip() or made.get("token")
        except (OSError, ValueError) as error:
            if not made.get("token"):
                words = f"the token file {named} cannot be read: {type(error).__name__}"
                raise Unreachable(words, hint="check tokenFile in the kubeconfig") from None
    elif isinstance(made.get("token"), str):
        made["token"] = made["token"].strip()
    return made
