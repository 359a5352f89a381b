"""A real etcd and kube-apiserver on loopback, as envtest runs them: a control plane without nodes or controllers.

Found by ``$KUBEBUILDER_ASSETS``, else on PATH, else unpacked by ``../shared/envtest/assets``. Elsewhere:
``export KUBEBUILDER_ASSETS="$(setup-envtest use -p path)"``.
"""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from backends.platforms.kubernetes.kinds import Kind
from tests.kube.keys import write_keys
from tests.kube.tunnel import Tunnel
from tests.servers import require
from tests.waiting import wait_until

REPOSITORY = Path(__file__).parents[2]
CRDS = Path(__file__).parent / "crds"
CRD = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition")
CLUSTER_ROLE = Kind("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole")
CLUSTER_ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "clusterrolebindings", "ClusterRoleBinding")
ROLE = Kind("rbac.authorization.k8s.io", "v1", "roles", "Role")
ROLE_BINDING = Kind("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
NAMESPACE = Kind("", "v1", "namespaces", "Namespace")

USERS = {
    "admin": "system:masters",
    "anna": "system:masters",
    "ben": "system:masters",
    "viewer": "viewers",
    "nobody": "",
}
"""User names and their groups: the viewer may read everything, nobody has no role at all."""

# The tests give programs an empty cache folder; unpacking into it would take as long as all else.
_CACHE = os.environ.get("XDG_CACHE_HOME")
_numbers = itertools.count(1)


def find_assets() -> Path | None:
    """The folder that holds ``etcd`` and ``kube-apiserver``, or ``None``."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    if named:
        folder = Path(named)
        return folder if _has_both(folder) else None
    found = shutil.which("kube-apiserver")
    if found and _has_both(Path(found).parent):
        return Path(found).parent
    script = REPOSITORY.parent / "shared" / "envtest" / "assets"
    if not script.exists():
        return None
    env = {key: value for key, value in os.environ.items() if key != "XDG_CACHE_HOME"}
    if _CACHE is not None:
        env["XDG_CACHE_HOME"] = _CACHE
    done = subprocess.run([script], capture_output=True, text=True, env=env, timeout=120, check=False)
    folder = Path(done.stdout.strip())
    return folder if done.returncode == 0 and _has_both(folder) else None


def _has_both(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("etcd", "kube-apiserver"))


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class ApiServer:
    """One control plane in a folder of its own. ``http`` is an administrator's client of it."""

    def __init__(self, assets: Path, folder: Path) -> None:
        self.folder = folder
        self._assets = assets
        self._etcd: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._served: set[str] = set()
        self._kubeconfigs: dict[str, Path] = {}
        self.etcd_url = ""
        self.port = 0
        write_keys(folder)
        self._tunnel = Tunnel(folder)
        rows = [f'{user}-token,{user},{user}-uid,"{group}"' for user, group in USERS.items()]
        (folder / "tokens.csv").write_text("\n".join(rows) + "\n")
        self.http: httpx.Client

    # ── life ────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def start(self) -> None:
        client, peer = _free_port(), _free_port()
        self.etcd_url = f"http://127.0.0.1:{client}"
        peers = f"http://127.0.0.1:{peer}"
        arguments = ["--name=default", f"--data-dir={self.folder / 'etcd'}", "--unsafe-no-fsync"]
        arguments += [f"--listen-client-urls={self.etcd_url}", f"--advertise-client-urls={self.etcd_url}"]
        arguments += [f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}"]
        arguments += [f"--initial-cluster=default={peers}", "--quota-backend-bytes=4294967296"]
        self._etcd = self._spawn("etcd", arguments)
        self.start_server()
        role = {"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]}
        self.create(CLUSTER_ROLE, {"metadata": {"name": "viewers"}, **role})
        self.bind("viewers", "Group", "viewers")

    def start_server(self) -> None:
        """Start the API server on a port of its own; kubeconfigs that were handed out are rewritten for it."""
        self.port = _free_port()
        inside = self.folder
        arguments = [f"--etcd-servers={self.etcd_url}", "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"]
        arguments += [f"--secure-port={self.port}", f"--cert-dir={inside}", f"--client-ca-file={inside / 'ca.crt'}"]
        arguments += [f"--tls-cert-file={inside / 'server.crt'}", f"--tls-private-key-file={inside / 'server.key'}"]
        arguments += [f"--token-auth-file={inside / 'tokens.csv'}", "--service-account-issuer=https://127.0.0.1/"]
        arguments += [f"--service-account-key-file={inside / 'sa.key'}", "--api-audiences=https://127.0.0.1/"]
        arguments += [f"--service-account-signing-key-file={inside / 'sa.key'}", "--allow-privileged=true"]
        arguments += ["--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC"]
        arguments += ["--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none"]
        arguments += [f"--egress-selector-config-file={self._tunnel.config}"]
        self._server = self._spawn("kube-apiserver", arguments)
        self.http = self.client("admin")
        wait_until(self._ready, 90, lambda: f"the API server is not ready: {self.log()[-1500:]}", every_s=0.1)
        for user in self._kubeconfigs:
            self.kubeconfig(user)

    def stop_server(self) -> None:
        """Stop the API server only; what it stored stays."""
        self.http.close()
        self._end(self._server)
        self._server = None

    def stop(self) -> None:
        self.stop_server()
        self._end(self._etcd)
        self._tunnel.close()

    def pause_server(self, paused: bool) -> None:
        """Let the API server hang, as one does that is short of everything, or let it go on."""
        assert self._server is not None
        os.kill(self._server.pid, 19 if paused else 18)  # SIGSTOP, SIGCONT

    def compact(self) -> None:
        """Have etcd forget all versions but the current ones: watches from older ones get 410 once their cache does
        not reach back either."""
        with httpx.Client(trust_env=False) as etcd:
            answer = etcd.post(f"{self.etcd_url}/v3/kv/range", json={"key": "AA=="}).json()
            body = {"revision": answer["header"]["revision"], "physical": True}
            etcd.post(f"{self.etcd_url}/v3/kv/compaction", json=body).raise_for_status()

    def log(self) -> str:
        return (self.folder / "kube-apiserver.log").read_text(errors="replace")

    def pid(self) -> int:
        assert self._server is not None
        return self._server.pid

    # ── who asks ────────────────────────────────────────────────────────────────────────────────────────────────

    def client(self, user: str) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self.folder / "ca.crt"))
        headers = {"Authorization": f"Bearer {user}-token"}
        return httpx.Client(base_url=self.url, verify=context, headers=headers, trust_env=False, timeout=60)

    def kubeconfig(self, user: str = "admin", *, credentials: Mapping[str, object] | None = None) -> Path:
        """A kubeconfig file of that user (see ``USERS``), with contexts ``test`` (current) and ``other``. It stays
        the same file when the server moves. ``credentials`` are written in place of the user's token."""
        path = self.folder / f"kubeconfig-{user}.yaml"
        cluster = {"server": self.url, "certificate-authority": str(self.folder / "ca.crt")}
        contexts = [{"name": name, "context": {"cluster": "test", "user": user}} for name in ("test", "other")]
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "contexts": contexts,
            "users": [{"name": user, "user": credentials or {"token": f"{user}-token"}}],
        }
        part = path.with_suffix(".part")
        part.write_text(yaml.safe_dump(config))
        part.replace(path)
        self._kubeconfigs[user] = path
        return path

    def bind(self, role: str, subject_kind: str, subject: str) -> None:
        """Give a cluster role to a ``User`` or a ``Group``."""
        binding = {
            "metadata": {"name": f"{role}-{subject}"},
            "roleRef": {"apiGroup": CLUSTER_ROLE.group, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": subject_kind, "name": subject, "apiGroup": CLUSTER_ROLE.group}],
        }
        self.create(CLUSTER_ROLE_BINDING, binding)

    # ── objects ─────────────────────────────────────────────────────────────────────────────────────────────────

    def namespace(self, prefix: str = "t") -> str:
        """A new namespace; it is never deleted, for nothing here deletes namespaces."""
        name = f"{prefix}-{next(_numbers)}"
        self.create(NAMESPACE, {"metadata": {"name": name}})
        return name

    def create(self, kind: Kind, thing: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object; its namespace is in its metadata. Its status, if any, is written as well. One that is there
        already is left as it is."""
        body = {"apiVersion": kind.api_version, "kind": kind.kind, **thing}
        namespace, name = thing["metadata"].get("namespace", ""), thing["metadata"]["name"]
        answer = self.http.post(kind.path(namespace), json=body)
        if answer.status_code == 409:
            return self.get(kind, namespace, name)
        made = _checked(answer)
        return self.patch(kind, namespace, name, {"status": body["status"]}, "status") if "status" in body else made

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any]:
        return _checked(self.http.get(kind.path(namespace, name)))

    def all_of(self, kind: Kind, namespace: str = "") -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = _checked(self.http.get(kind.path(namespace)))["items"]
        return found

    def patch(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], subresource: str = ""
    ) -> dict[str, Any]:
        """Merge a patch in, unguarded, as some other client would."""
        headers = {"Content-Type": "application/merge-patch+json"}
        path = kind.path(namespace, name, subresource)
        return _checked(self.http.patch(path, json=patch, headers=headers))

    def delete(self, kind: Kind, namespace: str, name: str) -> None:
        _checked(self.http.delete(kind.path(namespace, name)))

    def apply_crd(self, name: str) -> None:
        """Install a CRD by the name of its file: the published one where ``$SHIFTDECK_CRDS`` has it, else ours in
        ``tests/kube/crds``. Returns once its kind is served; at once where it is already."""
        if name in self._served:
            return
        published = Path(os.environ["SHIFTDECK_CRDS"]) / f"{name}.yaml" if os.environ.get("SHIFTDECK_CRDS") else None
        path = published if published is not None and published.exists() else CRDS / f"{name}.yaml"
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        paths = []
        for crd in yaml.load_all(path.read_text(), Loader=loader):
            crd.pop("status", None)
            self.create(CRD, crd)
            spec = crd["spec"]
            served = [one["name"] for one in spec["versions"] if one["served"]]
            paths += [Kind(spec["group"], version, spec["names"]["plural"], "").path() for version in served]
        wait_until(
            lambda: all(self._is_served(path) for path in paths),
            60,
            f"{name} is not served",
            every_s=0.1,
        )
        self._served.add(name)

    def _is_served(self, path: str) -> bool:
        """The kind is served, and named among the kinds of its group: the server tells that a little later."""
        group, _, plural = path.rpartition("/")
        listed = self.http.get(group)
        named = listed.is_success and plural in [one["name"] for one in listed.json()["resources"]]
        return named and self.http.get(path, params={"limit": 1}).is_success

    # ── processes ───────────────────────────────────────────────────────────────────────────────────────────────

    def _spawn(self, program: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{program}.log").open("ab") as log:
            return subprocess.Popen([self._assets / program, *arguments], stdout=log, stderr=log, cwd=self.folder)

    def _end(self, process: subprocess.Popen[bytes] | None) -> None:
        if process is None:
            return
        process.kill()
        process.wait(10)

    def _ready(self) -> bool:
        assert self._server is not None
        assert self._server.poll() is None, f"the API server has ended: {self.log()[-1500:]}"
        try:
            return self.http.get("/readyz").is_success
        except httpx.TransportError:
            return False


def _checked(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text[:800]}"
    body: dict[str, Any] = answer.json()
    return body


@pytest.fixture(scope="session")
def apiserver() -> Iterator[ApiServer]:
    """One control plane for all tests of a session: each takes a namespace of its own."""
    assets = find_assets()
    require(assets, 'no kube-apiserver and etcd: export KUBEBUILDER_ASSETS="$(setup-envtest use -p path)"')
    assert assets is not None
    with tempfile.TemporaryDirectory(prefix="shiftdeck-kube-", ignore_cleanup_errors=True) as folder:
        server = ApiServer(assets, Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()
