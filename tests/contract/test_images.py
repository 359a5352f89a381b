"""The container registry adapter against Debian's docker-registry, and against a stub of what that cannot do: pages,
OCI 1.1 referrers, and the token exchange of Azure's registries, made from their published protocols."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from backends.contracts import Image
from backends.errors import BackendError, Forbidden, Malformed, RateLimited, Rejected, Unauthenticated, Unreachable
from backends.images.oci import OciImages
from backends.settings import Secret
from tests.faults import Fault, FaultProxy
from tests.realservers.processes import Server
from tests.realservers.registry import INDEX, USER, Pusher, basic, registry, token_server, with_password
from tests.realservers.wiring import made

REPOSITORY = "models/sentiment"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = registry(tmp_path_factory.mktemp("registry")).start()
    yield one
    one.stop()


@pytest.fixture
def secret(tmp_path: Path) -> Callable[[str], Secret]:
    def write(value: str) -> Secret:
        path = tmp_path / f"secret-{hashlib.sha256(value.encode()).hexdigest()[:8]}"
        path.write_text(value)
        return Secret(file=path)

    return write


def host(url: str) -> str:
    return url.removeprefix("http://")


def look(images: OciImages, url: str, name: str = f"{REPOSITORY}:v8") -> Image:
    (found,) = images.images([f"{host(url)}/{name}"])
    return found


def test_a_tag_its_digest_and_where_it_moves_to(server: Server) -> None:
    pusher, images = Pusher(server.url), made(OciImages, url=server.url)
    first = pusher.image(REPOSITORY, "v8", "one")
    found = look(images, server.url)
    assert (found.digest, found.contains, found.signed, found.note) == (first, (), False, "")
    second = pusher.image(REPOSITORY, "v8", "two")
    assert second != first
    assert look(images, server.url).digest == second
    pinned = f"{REPOSITORY}:v8@{first}"
    assert look(images, server.url, pinned).digest == second, "the tag is asked for, not what it was"
    assert look(images, server.url, f"{REPOSITORY}@{first}").digest == first
    assert "v8" in images.tags(REPOSITORY)
    assert [probe.ok for probe in images.probe()] == [True, True]


def test_an_index_tells_the_platforms_in_it(server: Server) -> None:
    pusher = Pusher(server.url)
    platforms = {name: pusher.image(REPOSITORY, name, name) for name in ("amd64", "arm64")}
    digest = pusher.index(REPOSITORY, "multi", platforms)
    found = look(made(OciImages, url=server.url), server.url, f"{REPOSITORY}:multi")
    assert (found.digest, found.contains) == (digest, tuple(platforms.values()))


def test_signatures_are_found_both_ways_and_only_those(server: Server) -> None:
    pusher, images = Pusher(server.url), made(OciImages, url=server.url)
    plain, cosigned, referred, sbom = (pusher.image("signed/model", tag, tag) for tag in ("a", "b", "c", "d"))
    assert look(images, server.url, "signed/model:a").signed is False
    pusher.image("signed/model", f"{cosigned.replace(':', '-')}.sig", "a signature")
    pusher.referrers("signed/model", referred, "application/vnd.dev.sigstore.bundle.v0.3+json")
    pusher.referrers("signed/model", sbom, "application/spdx+json")
    told = [look(images, server.url, f"signed/model:{tag}").signed for tag in ("a", "b", "c", "d")]
    assert told == [False, True, True, False]
    pusher.image("signed/model", f"{plain.replace(':', '-')}.sig", "later")
    assert look(images, server.url, "signed/model:a").signed, "one that is signed later is seen"


def test_what_is_not_there_is_told_and_costs_the_others_nothing(server: Server) -> None:
    pusher = Pusher(server.url)
    digest = pusher.image("two/tags", "v1", "x")
    pusher.image("two/tags", "v2", "y")
    names = ["two/tags:v9", "no/such:v1", "two/tags:v1", "NOT A NAME"]
    found = made(OciImages, url=server.url).images([f"{host(server.url)}/{name}" for name in names])
    assert [one.digest for one in found] == [None, None, digest]
    assert found[0].note == "no v9 in two/tags, which has v1, v2"
    assert found[1].note == "no repository no/such"
    assert made(OciImages, url=server.url).images(["ghcr.io/a/b:v1", "nginx"]) == (), "others' images are not ours"
    with pytest.raises(Rejected, match="no repository no/such"):
        made(OciImages, url=server.url).tags("no/such")


def test_a_registry_may_be_called_otherwise(server: Server) -> None:
    digest = Pusher(server.url).image("library/nginx", "1.27", "x")
    images = made(OciImages, url=server.url, hosts=("docker.io", "mirror.example.org"))
    (hub, mirror) = images.images(["nginx:1.27", "mirror.example.org/library/nginx:1.27"])
    assert hub.digest == mirror.digest == digest


def test_a_password(tmp_path: Path, secret: Callable[[str], Secret]) -> None:
    server = with_password(tmp_path / "registry").start()
    try:
        digest = Pusher(server.url, basic()).image(REPOSITORY, "v8", "one")
        inside = made(OciImages, url=server.url, username=USER, password=secret("secret"))
        assert look(inside, server.url).digest == digest
        assert look(inside, server.url).digest == digest
        for outside in (
            made(OciImages, url=server.url),
            made(OciImages, url=server.url, username=USER, password=secret("wrong")),
        ):
            with pytest.raises(Unauthenticated) as caught:
                look(outside, server.url)
            assert "wrong" not in str(caught.value)
            assert [probe.ok for probe in outside.probe()] == [True, None]
        with pytest.raises(Rejected, match="set together"):
            made(OciImages, url=server.url, username=USER)
    finally:
        server.stop()


def test_tokens_that_the_registry_verifies(tmp_path: Path, secret: Callable[[str], Secret]) -> None:
    with token_server(tmp_path / "tokens") as tokens:
        server = registry(tmp_path / "registry", tokens.auth).start()
        try:
            scopes = {name: tokens.token(f"repository:{name}:pull,push", True) for name in (REPOSITORY, "public/model")}
            digests = {
                name: Pusher(server.url, f"Bearer {token}").image(name, "v8", name) for name, token in scopes.items()
            }
            nobody = made(OciImages, url=server.url)
            names = [f"{host(server.url)}/{name}:v8" for name in scopes]
            private, public = nobody.images(names)
            assert (private.digest, public.digest) == (None, digests["public/model"])
            assert "does not let us in models/sentiment" in private.note
            with pytest.raises(Unauthenticated):
                nobody.images(names[:1])
            known = made(OciImages, url=server.url, username=USER, password=secret("secret"))
            tokens.asked.clear()
            for _ in range(2):
                assert [one.digest for one in known.images(names)] == [digests[name] for name in scopes]
            asked = [f"repository:{name}:pull" for name in scopes]
            assert sorted(set(tokens.asked)) == sorted(asked)
            assert len(tokens.asked) == 2, "a token is kept while it is good"
            stranger = made(OciImages, url=server.url, username=USER, password=secret("wrong"))
            with pytest.raises(Unauthenticated):
                stranger.images(names)
        finally:
            server.stop()


@pytest.mark.parametrize(
    ("fault", "status", "error"),
    [
        (Fault.GONE, 0, Unreachable),
        (Fault.STATUS, 401, Unauthenticated),
        (Fault.STATUS, 403, Forbidden),
        (Fault.STATUS, 429, RateLimited),
        (Fault.STATUS, 500, Unreachable),
        (Fault.GARBAGE, 0, Malformed),
        (Fault.NOISE, 0, BackendError),
        (Fault.TRUNCATED, 0, BackendError),
    ],
    ids=lambda value: str(getattr(value, "__name__", value)),
)
def test_faults(server: Server, fault: Fault, status: int, error: type[BackendError]) -> None:
    digest = Pusher(server.url).image(REPOSITORY, "v8", "fault")
    with FaultProxy(server.url) as proxy:
        images = made(OciImages, url=proxy.url, hosts=(host(server.url),))
        proxy.set(fault, status=status, headers={"Retry-After": "7"})
        with pytest.raises(error) as caught:
            look(images, server.url)
        if isinstance(caught.value, RateLimited):
            assert caught.value.retry_after == 7
        proxy.set(Fault.PASS)
        assert look(images, server.url).digest == digest


def test_killed_and_started_again(server: Server) -> None:
    digest = Pusher(server.url).image(REPOSITORY, "v8", "killed")
    images = made(OciImages, url=server.url)
    assert look(images, server.url).digest == digest
    server.kill()
    try:
        with pytest.raises(Unreachable):
            look(images, server.url)
    finally:
        server.start()
    assert look(images, server.url).digest == digest


# ── what docker-registry cannot do: a stub, made from the published protocols ───────────────────────────────────

BODY = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).encode()
DIGEST = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
ENTRA = "token-of-entra"


class Stub:
    """A stub, and no registry: pages of two tags, the referrers API, and Azure's exchange of tokens."""

    def __init__(self) -> None:
        self.azure = False
        self.next = "/v2/models/sentiment/tags/list?last={last}&n=2"
        self.digest: str | None = DIGEST
        self.tags = [f"v{number}" for number in range(1, 6)]
        self.posted: list[tuple[str, dict[str, str]]] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                read = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
                form = {name: values[0] for name, values in read.items()}
                stub.posted.append((self.path, form))
                if self.path == "/oauth2/exchange" and form.get("access_token") == ENTRA:
                    self._answer(200, json.dumps({"refresh_token": "refresh"}).encode())
                elif self.path == "/oauth2/token" and form.get("refresh_token") == "refresh":
                    self._answer(200, json.dumps({"access_token": "access"}).encode())
                else:
                    self._answer(401, b'{"errors": [{"message": "no"}]}')

            def do_GET(self) -> None:
                if stub.azure and self.headers.get("Authorization") != "Bearer access":
                    challenge = (
                        f'Bearer realm="{stub.url}/oauth2/token",service="azure.example",scope="repository:x:pull"'
                    )
                    self._answer(401, b"", {"WWW-Authenticate": challenge})
                elif "/tags/list" in self.path:
                    last = parse_qs(self.path.partition("?")[2]).get("last", [""])[0]
                    start = stub.tags.index(last) + 1 if last in stub.tags else 0
                    page = stub.tags[start : start + 2]
                    link = (
                        {"Link": f'<{stub.next.format(last=page[-1])}>; rel="next"'}
                        if start + 2 < len(stub.tags)
                        else {}
                    )
                    self._answer(200, json.dumps({"tags": page}).encode(), link)
                elif "/referrers/" in self.path:
                    listed = {"artifactType": "application/vnd.cncf.notary.signature", "digest": DIGEST}
                    self._answer(200, json.dumps({"manifests": [listed]}).encode())
                elif self.path.endswith(".sig"):
                    self._answer(404, b"")
                else:
                    self._answer(200, BODY, {"Docker-Content-Digest": stub.digest} if stub.digest else {})

            do_HEAD = do_GET  # noqa: N815 - the base class's name

            def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def stubbed() -> Iterator[Stub]:
    stub = Stub()
    try:
        yield stub
    finally:
        stub.close()


def test_tags_by_pages() -> None:
    with stubbed() as stub:
        images = made(OciImages, url=stub.url)
        assert images.tags(REPOSITORY) == ("v1", "v2", "v3", "v4", "v5")
        stub.next = stub.url + stub.next
        assert len(images.tags(REPOSITORY)) == 5, "an address in full is as good"
        stub.next = "http://127.0.0.1:9/v2/x?last={last}"
        assert len(images.tags(REPOSITORY)) == 5, "only its query counts: nothing is asked of another server"
        stub.next = "/v2/models/sentiment/tags/list?n=2"
        assert images.tags(REPOSITORY) == ("v1", "v2"), "a page that repeats ends the list"


def test_referrers_and_a_digest_that_nobody_tells() -> None:
    with stubbed() as stub:
        assert look(made(OciImages, url=stub.url), stub.url) == Image(
            f"{host(stub.url)}/{REPOSITORY}:v8", DIGEST, signed=True
        )
        stub.digest = None
        assert look(made(OciImages, url=stub.url), stub.url).digest == DIGEST
        for wrong in ("sha256:short", f"sha256:{'0' * 64}"):
            stub.digest = wrong
            with pytest.raises(Malformed):
                look(made(OciImages, url=stub.url), stub.url)


def test_azures_exchange_of_tokens(secret: Callable[[str], Secret]) -> None:
    with stubbed() as stub:
        stub.azure = True
        images = made(OciImages, url=stub.url, entra_token=secret(ENTRA), tenant="ours")
        assert look(images, stub.url).digest == DIGEST
        exchange, token = stub.posted
        assert exchange == (
            "/oauth2/exchange",
            {"grant_type": "access_token", "service": "azure.example", "access_token": ENTRA, "tenant": "ours"},
        )
        assert token[0] == "/oauth2/token"
        assert token[1]["grant_type"] == "refresh_token"
        assert token[1]["scope"] == "repository:x:pull"
        images._door._tokens.clear()
        assert look(images, stub.url).digest == DIGEST
        assert [path for path, _ in stub.posted].count("/oauth2/exchange") == 1, "the refresh token is kept"
        with pytest.raises(Unauthenticated) as caught:
            look(made(OciImages, url=stub.url, entra_token=secret("expired-token")), stub.url)
        assert "expired-token" not in str(caught.value)
        assert look(made(OciImages, url=stub.url, token=secret("access")), stub.url).digest == DIGEST
