"""Credentials and the server's address: from a kubeconfig's context or a pod's own account, loaded through the
``kubernetes`` package.

Exec plug-ins are run here and not by the package: with a deadline, without the terminal, and with a reason when they
fail.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backends.command import run
from backends.errors import Unauthenticated, Unreachable
from backends.platforms.kubernetes.kubeconfig import chosen, merged, setting_of, with_token
from backends.platforms.kubernetes.objects import dig, items, seconds_of, text

EXEC_TIMEOUT_S = 30.0
IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
POD_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds the token of its account, which the kubelet replaces before it expires, and the cluster's CA."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Loaded credentials. ``configuration`` is a ``kubernetes.client.Configuration``. ``headers`` are sent with each
    request. ``expires`` is in Unix seconds, or ``None`` if the credential does not say. ``stamp`` is ``stamp_of`` the
    files. ``namespace`` is that of the kubeconfig's context, or ""."""

    configuration: Any
    headers: Mapping[str, str]
    expires: float | None
    stamp: object
    namespace: str = ""


def kubeconfig_files(kubeconfig: Path | None) -> tuple[Path, ...]:
    """The existing kubeconfig files: ``kubeconfig`` if given, else those of ``$KUBECONFIG``, else
    ``~/.kube/config``."""
    if kubeconfig is not None:
        return (kubeconfig,) if kubeconfig.exists() else ()
    named = os.environ.get("KUBECONFIG", "")
    paths = [Path(part).expanduser() for part in named.split(os.pathsep) if part] or [
        Path("~/.kube/config").expanduser()
    ]
    return tuple(path for path in paths if path.exists())


def stamp_of(kubeconfig: Path | None) -> object:
    """Differs after the kubeconfig files have changed; without such files, after the pod's token or CA has changed."""
    stamps = []
    files = kubeconfig_files(kubeconfig)
    for path in files or (() if kubeconfig else _pod_files()):
        try:
            seen = path.stat()
        except OSError:
            continue
        stamps.append((str(path), seen.st_mtime_ns, seen.st_size, seen.st_ino))
    return tuple(stamps)


def current_context(files: tuple[Path, ...]) -> str:
    """The name of the context that those kubeconfig files make current, or ""."""
    import yaml

    for path in files:
        try:
            found = text(yaml.safe_load(path.read_text(encoding="utf-8")), "current-context")
        except (OSError, ValueError, yaml.YAMLError):
            continue
        if found:
            return found
    return ""


def load(kubeconfig: Path | None, context: str, impersonate: str) -> Identity:
    """Read the kubeconfig, or the pod's account if there is none.

    Raises:
        Unreachable: there is no usable configuration.
        Unauthenticated: the exec plug-in gave no credential.
    """
    stamp = stamp_of(kubeconfig)
    files = kubeconfig_files(kubeconfig)
    namespace = ""
    if files:
        configuration, headers, expires, namespace = _from_files(files, context)
    elif kubeconfig is None and os.environ.get(IN_CLUSTER):
        configuration, headers, expires = _in_cluster(), {}, None
    else:
        wanted = str(kubeconfig) if kubeconfig is not None else "$KUBECONFIG or ~/.kube/config"
        raise Unreachable(f"there is no kubeconfig: {wanted}", hint='set kubeconfig = "PATH" for this source')
    if impersonate:
        headers = {"Impersonate-User": impersonate}
    configuration.retries = False
    configuration.connection_pool_maxsize = 32
    return Identity(configuration, headers, expires, stamp, namespace)


def _pod_files() -> tuple[Path, Path]:
    return POD_ACCOUNT / "token", POD_ACCOUNT / "ca.crt"


def _in_cluster() -> Any:
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException
    from kubernetes.config.incluster_config import InClusterConfigLoader

    configuration = Configuration()
    try:
        # No refresh: a new token changes the stamp, and then everything is loaded again.
        InClusterConfigLoader(*map(str, _pod_files()), try_refresh_token=False).load_and_set(configuration)
    except (ConfigException, OSError) as error:
        raise Unreachable(f"the pod's own account cannot be used: {error}") from None
    configuration.api_key["BearerToken"] = configuration.api_key["BearerToken"].strip()
    return configuration


def _from_files(files: tuple[Path, ...], context: str) -> tuple[Any, dict[str, str], float | None, str]:
    import yaml
    from kubernetes.client import Configuration
    from kubernetes.config import ConfigException
    from kubernetes.config.kube_config import KubeConfigLoader

    credential = Credential()

    class Loader(KubeConfigLoader):  # type: ignore[misc]  # the package is not typed
        """Runs exec plug-ins with ``run_exec_plugin``; the rest is unchanged."""

        def _load_from_exec_plugin(self) -> bool | None:
            if "exec" not in self._user:
                return None
            found = run_exec_plugin(self._user["exec"].value, self._cluster.value)
            credential.expires = found.expires
            if found.token:
                self.token = f"Bearer {found.token}"
            if found.certificate:
                self.cert_file, self.key_file = _files_of(found.certificate, found.key)
            return True

    configuration = Configuration()
    names = ", ".join(str(path) for path in files)
    try:
        config = merged(files)
        name = chosen(config, context, names)
        config["users"] = [_usable(one, setting_of(config, name, "user")) for one in config["users"]]
        loader = Loader(config_dict=config, active_context=name)
        loader.load_and_set(configuration)
        user = loader._user.value if loader._user is not None else {}  # noqa: SLF001 - the package does not read "as"
    except yaml.YAMLError:
        raise Unreachable(f"{names} is not YAML") from None
    except (ConfigException, KeyError, TypeError, AttributeError, OSError, ValueError) as error:
        raise Unreachable(f"{names} cannot be used: {_words(error)}", hint="kubectl config view shows it") from None
    return configuration, _impersonation(user), credential.expires, setting_of(config, name, "namespace")


def _usable(entry: Mapping[str, Any], wanted: str) -> Mapping[str, Any]:
    """An entry of the users, with its token if it is the one that is used."""
    user = entry.get("user")
    used = text(entry, "name") == wanted and isinstance(user, Mapping)
    return {**entry, "user": with_token(user)} if used and isinstance(user, Mapping) else entry


@dataclass(slots=True)
class Credential:
    """The answer of an exec plug-in: a token, or a client certificate with its key, valid until ``expires``."""

    token: str = ""
    certificate: str = ""
    key: str = ""
    expires: float | None = None


def _words(error: Exception) -> str:
    """The part of an error that may be shown: the package's own messages name only keys; others might quote a value."""
    return str(error) if type(error).__name__ == "ConfigException" else type(error).__name__


def _files_of(certificate: str, key: str) -> tuple[str, str]:
    from kubernetes.config.kube_config import _create_temp_file_with_content as temporary

    return temporary(certificate), temporary(key)


def _impersonation(user: object) -> dict[str, str]:
    """The kubeconfig's ``as``, ``as-uid`` and the first of ``as-groups``, which the package ignores."""
    headers: dict[str, str] = {}
    if name := text(user, "as"):
        headers["Impersonate-User"] = name
        groups = dig(user, "as-groups")
        if isinstance(groups, list) and groups:
            headers["Impersonate-Group"] = str(groups[0])
        if uid := text(user, "as-uid"):
            headers["Impersonate-Uid"] = uid
    return headers


def run_exec_plugin(plugin: object, cluster: object) -> Credential:
    """Run a credential plug-in (client.authentication.k8s.io) and read its output.

    Raises:
        Unauthenticated: it is not installed, fails, takes over 30 s, or prints something else.
    """
    command, version = text(plugin, "command"), text(plugin, "apiVersion")
    hint = text(plugin, "installHint").strip().partition("\n")[0]
    path = command if os.sep in command else shutil.which(command)
    if not command or path is None:
        raise Unauthenticated(f"the credential plug-in {command!r} is not installed", hint=hint)
    info: dict[str, object] = {"interactive": False}
    if dig(plugin, "provideClusterInfo") is True and isinstance(cluster, Mapping):
        info["cluster"] = dict(cluster)
    arguments = dig(plugin, "args")
    given = {text(one, "name"): text(one, "value") for one in items(plugin, "env")}
    request = json.dumps({"apiVersion": version, "kind": "ExecCredential", "spec": info})
    run_by_hand = f"run {command} by hand to see why"
    try:
        done = run(
            [path, *(str(one) for one in arguments)] if isinstance(arguments, list) else [path],
            EXEC_TIMEOUT_S,
            env={**os.environ, **given, "KUBERNETES_EXEC_INFO": request},
        )
    except (OSError, ValueError) as error:
        words = f"the credential plug-in {command!r} did not answer: {type(error).__name__}"
        raise Unauthenticated(words, hint=run_by_hand) from None
    if done.status != 0:
        words = f"the credential plug-in {command!r} ended with status {done.status}"
        raise Unauthenticated(words, hint=run_by_hand)
    return read_credential(done.stdout, command)


def read_credential(printed: str | bytes, command: str) -> Credential:
    """The credential in an ExecCredential that a plug-in printed.

    Raises:
        Unauthenticated: the text holds no credential.
    """
    run_by_hand = f"run {command} by hand to see why"
    try:
        answer: object = json.loads(printed)
    except (ValueError, RecursionError):
        raise Unauthenticated(f"the credential plug-in {command!r} did not print JSON", hint=run_by_hand) from None
    found = Credential(
        text(answer, "status", "token"),
        text(answer, "status", "clientCertificateData"),
        text(answer, "status", "clientKeyData"),
        seconds_of(dig(answer, "status", "expirationTimestamp")),
    )
    if not found.token and not (found.certificate and found.key):
        raise Unauthenticated(f"the credential plug-in {command!r} printed no credential", hint=run_by_hand)
    return found
