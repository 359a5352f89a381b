"""Container registries by the OCI distribution API: Docker's, Azure's, Harbor, GitHub's, and all others with this API.

It only reads: tags, digests, and whether a signature is attached. A signature is found by cosign's tag ``sha256-….sig``
or as a referrer of OCI 1.1. That a signature exists only means that it was pushed: it is not verified.
https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar, cast
from urllib.parse import quote, urlsplit

from backends.contracts import Image, Probe, ProbeKind, Wiring
from backends.errors import BackendError, Forbidden, Malformed, Rejected, Unauthenticated
from backends.http import HttpClient, HttpResponse
from backends.images.auth import Credentials, Door, errors_in
from backends.images.reference import HUB, HUB_HOSTS, Reference, is_digest, parse
from backends.options import Options, secret, text, texts, url

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
ACCEPT = ", ".join((*INDEXES, *MANIFESTS))
"""All kinds: to a request without the kinds of an index, a registry answers 404 or selects a platform."""

SIGNATURES = (
    "application/vnd.dev.cosign.artifact.sig.v1+json",
    "application/vnd.dev.cosign.simplesigning.v1+json",
    "application/vnd.dev.sigstore.bundle",
    "application/vnd.cncf.notary.signature",
)
"""Prefixes of the ``artifactType`` of a signature: of cosign, of sigstore's bundles, and of notation."""

MAX_PAGES = 100
AT_ONCE = 4
NAMED = 5


class OciOptions(Options):
    """Options: the address of the registry, and the credentials."""

    url = url("the registry's address", required=True)
    hosts = texts("the registry's hosts in the names of images (default: the host of the url)", default=())
    username = text("user name, for registries that require one")
    password = secret("the password, or an access token in its place")
    token = secret("bearer token that is sent unchanged")
    entra_token = secret("token of Microsoft Entra, exchanged for a token of the Azure registry")
    tenant = text("the tenant of that token, if the token does not name it")


class OciImages:
    """One registry. Thread-safe."""

    OPTIONS: ClassVar[type[Options]] = OciOptions

    def __init__(self, wiring: Wiring[OciOptions]) -> None:
        options = wiring.options
        username, password = options.username or "", options.password
        if bool(username) is not bool(password):
            raise Rejected("username and password are set together, or not at all")
        self._timeout_s = options.timeout_s
        self._http = HttpClient(options.url, timeout_s=self._timeout_s)
        host = urlsplit(options.url).netloc.rpartition("@")[2].lower()
        hosts = {one.lower() for one in options.hosts} or {host}
        self._hosts = hosts | {HUB} if hosts & HUB_HOSTS else hosts
        credentials = Credentials(username, password, options.token, options.entra_token, options.tenant or "")
        self._door = Door(self._http, credentials, self._timeout_s)
        self._lock = threading.Lock()
        self._contents: dict[tuple[str, str], tuple[str, ...]] = {}  # the content of a digest never changes
        self._signed: set[tuple[str, str]] = set()

    def images(self, references: Sequence[str]) -> tuple[Image, ...]:
        """Looks up several images at once, with a few requests each. A fault of one image is in its note.

        Raises:
            BackendError: the registry as a whole cannot be read.
        """
        parsed = {text: parse(text) for text in dict.fromkeys(references)}
        ours = {text: one for text, one in parsed.items() if one is not None and one.host in self._hosts}
        if not ours:
            return ()
        with ThreadPoolExecutor(min(AT_ONCE, len(ours)), thread_name_prefix="images") as pool:
            looked = list(pool.map(lambda one: self._try(*one), ours.items()))
        whole = (Forbidden, Unauthenticated, Malformed)
        refused = next((error for _, error in looked if isinstance(error, whole)), None)
        if refused is not None and not any(image.digest for image, _ in looked):
            raise refused
        return tuple(image for image, _ in looked)

    def tags(self, repository: str) -> tuple[str, ...]:
        """The tags that can be listed. Raises ``Rejected`` if there is no such repository."""
        return self._tags(repository)[0]

    def _tags(self, repository: str) -> tuple[tuple[str, ...], bool]:
        """The tags, page by page if the registry has pages, and whether these are all: a page that cannot be read, or
        that was read before, ends the list."""
        listed = f"/v2/{quote(repository, safe='/')}/tags/list"
        answer = self._ask("GET", listed, repository)
        if answer.status == 404:
            raise Rejected(f"{self._http.where} has no repository {repository}")
        found, seen = tags_of(answer), {listed}
        while (path := next_page(answer, listed)) is not None:
            if path in seen or len(seen) >= MAX_PAGES:
                return tuple(dict.fromkeys(found)), False
            seen.add(path)
            try:
                answer = self._ask("GET", path, repository)
                found += tags_of(answer)
            except (Rejected, Malformed):
                return tuple(dict.fromkeys(found)), False
        return tuple(dict.fromkeys(found)), True

    def probe(self) -> tuple[Probe, ...]:
        began = time.perf_counter()
        try:
            self._ask("GET", "/v2/", "")
        except (Unauthenticated, Forbidden) as error:
            # Some registries allow nobody to read this path, but everybody to read their repositories.
            reach = Probe(ProbeKind.REACH, True, f"{self._http.where} answers", latency_s=time.perf_counter() - began)
            return reach, Probe(ProbeKind.READ, None, error.message, error.hint)
        except BackendError as error:
            return (Probe(ProbeKind.REACH, False, error.message, error.hint),)
        took = time.perf_counter() - began
        names = ", ".join(sorted(self._hosts))
        reach = Probe(ProbeKind.REACH, True, f"{self._http.where} answers", latency_s=took)
        return reach, Probe(ProbeKind.READ, True, f"it lets us in; images of {names} are looked up here")

    def close(self) -> None:
        self._http.close()

    # ── one image ───────────────────────────────────────────────────────────────────────────────────────────────

    def _try(self, text: str, one: Reference) -> tuple[Image, BackendError | None]:
        try:
            return self._look(text, one), None
        except (Rejected, Forbidden, Unauthenticated, Malformed) as error:
            return Image(text, note=error.message), error

    def _look(self, text: str, one: Reference) -> Image:
        digest = self._digest(one.repository, one.asked)
        if digest is None:
            return Image(text, note=self._missing(one))
        signed = self._is_signed(one.repository, digest)
        return Image(text, digest, self._platforms(one.repository, digest), signed)

    def _digest(self, repository: str, asked: str) -> str | None:
        """The digest that a tag points to; ``None`` if there is no such tag."""
        path = _manifest(repository, asked)
        answer = self._ask("HEAD", path, repository)
        if answer.status == 404:
            return None
        digest = answer.headers.get("docker-content-digest", "")
        if not digest:  # the header is optional; without it, the digest is that of the answer's body
            answer = self._ask("GET", path, repository)
            if answer.status == 404:
                return None
            digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if not is_digest(digest):
            raise Malformed(f"{self._http.where} gives {repository}:{asked} a digest that is not valid")
        return digest

    def _platforms(self, repository: str, digest: str) -> tuple[str, ...]:
        with self._lock:
            known = self._contents.get((repository, digest))
        if known is None:
            answer = self._ask("GET", _manifest(repository, digest), repository)
            if answer.status == 404:
                return ()
            if digest.startswith("sha256:") and hashlib.sha256(answer.body).hexdigest() != digest[7:]:
                raise Malformed(f"{self._http.where} answered with other content than {repository}@{digest[:19]}")
            known = platforms_of(answer.json(), self._http.where)
            with self._lock:
                self._contents[repository, digest] = known
        return known

    def _is_signed(self, repository: str, digest: str) -> bool:
        with self._lock:
            if (repository, digest) in self._signed:
                return True
        signed = self._has_signature(repository, digest)
        if signed:
            with self._lock:
                self._signed.add((repository, digest))
        return signed

    def _has_signature(self, repository: str, digest: str) -> bool:
        tag = digest.replace(":", "-")
        if self._digest(repository, f"{tag}.sig") is not None:
            return True
        answer = self._ask("GET", f"/v2/{quote(repository, safe='/')}/referrers/{digest}", repository)
        if answer.status == 404:  # a registry before OCI 1.1: the pusher of a signature keeps the referrers under a tag
            answer = self._ask("GET", _manifest(repository, tag), repository)
        return answer.status != 404 and signatures_in(answer.json(), self._http.where)

    def _missing(self, one: Reference) -> str:
        """The note for a missing tag, with the tags that exist."""
        try:
            told, whole = self._tags(one.repository)
            tags = [tag for tag in told if not tag.startswith("sha256-")]
        except Rejected as error:
            if error.message.endswith(f"has no repository {one.repository}"):
                return f"no repository {one.repository}"
            return f"no {one.asked} in {one.repository}; its tags cannot be listed: {error.message}"
        names = ", ".join(tags[-NAMED:])
        more = f" and {len(tags) - NAMED} more" if len(tags) > NAMED else ""
        return (
            f"no {one.asked} in {one.repository}"
            + (f", which has {names}{more}" if tags else "")
            + ("" if whole else "; the list is incomplete")
        )

    def _ask(self, method: str, path: str, repository: str) -> HttpResponse:
        """One request, with authentication if the registry requires it. 404 is returned, not raised."""
        scope = f"repository:{repository}:pull" if repository else ""
        sent = {"Accept": f"{ACCEPT}, application/json;q=0.5"}
        answer = self._http.request(method, path, headers=sent | dict(self._door.header(scope)), taken=(401, 403, 404))
        if answer.status == 401:
            headers = sent | dict(self._door.answer(answer, scope))
            answer = self._http.request(method, path, headers=headers, taken=(401, 403, 404))
        what = f" {repository}" if repository else ""
        said = f": {words}" if (words := errors_in(answer.body)) else ""
        if answer.status == 401:
            raise Unauthenticated(f"{self._http.where} does not let us in{what}{said}", hint="check the credentials")
        if answer.status == 403:
            hint = "these credentials may not pull it"
            raise Forbidden(f"{self._http.where} does not give us{what or ' anything'}{said}", hint=hint)
        return answer


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────


def tags_of(answer: HttpResponse) -> list[str]:
    """The tags in an answer. A repository without tags can answer null. Raises ``Malformed`` if there is no list."""
    told = answer.json()
    tags = told.get("tags", ()) if isinstance(told, dict) else ()
    if tags is None:
        return []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise Malformed(f"{answer.where} answered without a list of tags")
    return tags


def next_page(answer: HttpResponse, listed: str) -> str | None:
    """The path of the next page, by the ``Link`` header; ``None``: this is the last one.

    Only the link's query counts. Registries behind a proxy name a path, scheme or host by which they cannot be reached,
    and no credentials are sent there.
    """
    link = answer.headers.get("link", "")
    target, closed, rest = link.strip().removeprefix("<").partition(">")
    if not closed or "rel=next" not in rest.replace(" ", "").replace('"', ""):
        return None
    try:
        query = urlsplit(target).query
    except ValueError:
        return None
    return f"{listed}?{query}" if query else None


def platforms_of(manifest: object, where: str) -> tuple[str, ...]:
    """The digests in an index; empty for the manifest of one platform.

    Raises:
        Malformed: the answer is neither an index nor a manifest.
    """
    if not isinstance(manifest, dict):
        raise Malformed(f"{where} answered with a manifest that is not valid")
    return tuple(
        digest
        for one in _descriptors(cast("Mapping[str, object]", manifest), where)
        if isinstance(digest := one.get("digest"), str) and is_digest(digest)
    )


def signatures_in(index: object, where: str) -> bool:
    """Whether an index of referrers has a signature.

    Raises:
        Malformed: the answer is not an index.
    """
    if not isinstance(index, dict):
        raise Malformed(f"{where} answered with referrers that are not valid")
    kinds = (one.get("artifactType") for one in _descriptors(cast("Mapping[str, object]", index), where))
    return any(isinstance(kind, str) and kind.startswith(SIGNATURES) for kind in kinds)


def _descriptors(index: Mapping[str, object], where: str) -> Sequence[Mapping[str, object]]:
    found = index.get("manifests") or ()
    if not isinstance(found, list | tuple) or not all(isinstance(one, dict) for one in found):
        raise Malformed(f"{where} answered with an index that is not valid")
    return cast("Sequence[Mapping[str, object]]", found)


def _manifest(repository: str, asked: str) -> str:
    return f"/v2/{quote(repository, safe='/')}/manifests/{quote(asked, safe=':')}"
