"""Debian's docker-registry, open, behind a password or behind a server of tokens; and what to push into it."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.realservers.processes import Server, free_port
from tests.servers import require_program

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
USER, PASSWORD = "deck", "secret"
HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n"
SERVICE, ISSUER = "the-registry", "the-token-server"


def registry(folder: Path, auth: Mapping[str, object] | None = None) -> Server:
    """A registry on a free port. Not started yet; one with ``auth`` is ready when it refuses."""
    program = require_program("docker-registry")
    folder.mkdir(parents=True, exist_ok=True)
    address = f"127.0.0.1:{free_port()}"
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}},
        "http": {"addr": address},
    }
    if auth is not None:
        config["auth"] = auth
    path = folder / "registry.yml"
    path.write_text(json.dumps(config))  # YAML is a superset of JSON
    url = f"http://{address}"
    return Server([program, "serve", str(path)], url, f"{url}/", folder / "registry.log")


def with_password(folder: Path) -> Server:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "htpasswd").write_text(HTPASSWD)
    return registry(folder, {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}})


@dataclass(frozen=True, slots=True)
class Pusher:
    """Pushes into a registry by its HTTP API. ``authorization`` is sent with every request."""

    url: str
    authorization: str = ""

    def image(self, repository: str, tag: str, content: str) -> str:
        """An image of one platform, whose digest depends on ``content``."""
        config = json.dumps({"os": "linux", "architecture": "amd64", "content": content}).encode()
        return self.manifest(
            repository,
            tag,
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "digest": self._blob(repository, config), "size": len(config)},
                "layers": [],
            },
        )

    def index(self, repository: str, tag: str, platforms: Mapping[str, str]) -> str:
        """An index of manifests that are there already, by architecture."""
        manifests = [
            {"mediaType": MANIFEST, "digest": digest, "size": 1, "platform": {"os": "linux", "architecture": name}}
            for name, digest in platforms.items()
        ]
        return self.manifest(repository, tag, {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})

    def referrers(self, repository: str, digest: str, artifact: str) -> str:
        """What a client that attaches something does where the registry has no referrers API: an index under a tag."""
        attached = self.image(repository, f"attached-{digest[7:15]}", artifact)
        listed = {"mediaType": MANIFEST, "digest": attached, "size": 1, "artifactType": artifact}
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [listed]}
        return self.manifest(repository, digest.replace(":", "-"), index)

    def manifest(self, repository: str, tag: str, manifest: Mapping[str, object]) -> str:
        body = json.dumps(manifest).encode()
        self._send("PUT", f"{self.url}/v2/{repository}/manifests/{tag}", body, str(manifest["mediaType"]))
        return _digest(body)

    def _blob(self, repository: str, body: bytes) -> str:
        place = self._send("POST", f"{self.url}/v2/{repository}/blobs/uploads/", b"", "")
        joint = "&" if "?" in place else "?"
        self._send("PUT", f"{place}{joint}digest={_digest(body)}", body, "application/octet-stream")
        return _digest(body)

    def _send(self, method: str, url: str, body: bytes, kind: str) -> str:
        headers = {"Content-Type": kind} if kind else {}
        if self.authorization:
            headers["Authorization"] = self.authorization
        request = urllib.request.Request(url, data=body, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(answer.headers.get("Location") or "")


def basic() -> str:
    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class TokenServer:
    """Gives signed tokens to whoever knows the password, and to nobody in particular for public repositories: the
    registry itself verifies them. Needs openssl for the signature."""

    def __init__(self, folder: Path) -> None:
        openssl = require_program("openssl")
        folder.mkdir(parents=True, exist_ok=True)
        self._openssl = openssl
        self._key, self._certificate = folder / "key.pem", folder / "certificate.pem"
        request = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={ISSUER}"]
        subprocess.run(
            [*request, "-keyout", str(self._key), "-out", str(self._certificate)],
            check=True,
            capture_output=True,
            timeout=60,
        )
        self.asked: list[str] = []
        self.expires_in: object = 300
        tokens = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                scope = query.get("scope", [""])[0]
                tokens.asked.append(scope)
                known = self.headers.get("Authorization") == basic()
                body = json.dumps({"token": tokens.token(scope, known), "expires_in": tokens.expires_in}).encode()
                self.send_response(401 if "Authorization" in self.headers and not known else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.realm = f"http://127.0.0.1:{self._server.server_port}/token"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def auth(self) -> Mapping[str, object]:
        """What the registry's configuration says of it."""
        told = {"realm": self.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": str(self._certificate)}
        return {"token": told}

    def token(self, scope: str, known: bool) -> str:
        """What this scope is given: public repositories to everybody, others to who is known."""
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        allowed = known or name.startswith("public/")
        access = [{"type": kind, "name": name, "actions": actions.split(",")}] if scope and allowed else []
        now = int(time.time())
        claims = {
            "iss": ISSUER, "sub": USER if known else "", "aud": SERVICE, "iat": now, "nbf": now - 60,
            "exp": now + 300, "jti": str(now), "access": access,
        }  # fmt: skip
        lines = self._certificate.read_text().splitlines()
        header = {"typ": "JWT", "alg": "RS256", "x5c": ["".join(line for line in lines if "-" not in line)]}
        signed = f"{_base64url(json.dumps(header).encode())}.{_base64url(json.dumps(claims).encode())}"
        done = subprocess.run(
            [self._openssl, "dgst", "-sha256", "-sign", str(self._key)],
            input=signed.encode(),
            check=True,
            capture_output=True,
            timeout=60,
        )
        return f"{signed}.{_base64url(done.stdout)}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def token_server(folder: Path) -> Iterator[TokenServer]:
    made = TokenServer(folder)
    try:
        yield made
    finally:
        made.close()


def _digest(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
