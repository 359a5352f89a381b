"""Images: their names, what registries answer, and what runs against what a tag says."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import Image, Role, Split
from backends.errors import BackendError
from backends.http import HttpResponse
from backends.images.auth import Challenge, challenge_of, errors_in, token_of
from backends.images.oci import next_page, platforms_of, signatures_in, tags_of
from backends.images.reference import Reference, digest_in, parse
from backends.platforms.kubernetes.pods import running_images
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView, VariantView
from shiftdeck.fleet.image_tag import finding
from shiftdeck.sources.source import SourceState
from tests.examples import examples
from tests.fakes import FakeWorld
from tests.foreign import json_of
from tests.unit.builders import variant
from tests.unit.panes import FULL, one, text
from tests.unit.planned import check, look, plan
from tui.render import variant_comparison

A, B, C = (f"sha256:{letter * 64}" for letter in "abc")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("nginx", Reference("docker.io", "library/nginx")),
        ("acme/model:v8", Reference("docker.io", "acme/model", "v8")),
        ("index.docker.io/acme/model", Reference("docker.io", "acme/model")),
        ("ghcr.io/a/b/c:1.0", Reference("ghcr.io", "a/b/c", "1.0")),
        ("localhost/a:x", Reference("localhost", "a", "x")),
        ("127.0.0.1:5000/a", Reference("127.0.0.1:5000", "a")),
        (f"r.example/a:v8@{A}", Reference("r.example", "a", "v8", A)),
        (f"r.example/a@{A}", Reference("r.example", "a", "", A)),
        ("r.example/A:v8", None),
        ("r.example/a@sha256:short", None),
        ("r.example/a:" + "x" * 129, None),
        ("", None),
    ],
)
def test_names_of_images(written: str, expected: Reference | None) -> None:
    assert parse(written) == expected


def test_a_digest_in_what_kubelets_and_knative_write() -> None:
    assert digest_in(f"docker-pullable://r.example/a@{A}") == A
    assert digest_in(f"r.example/a@{A}") == A
    assert digest_in(A) == digest_in(f"docker://{A}") == "", "that may be an image's configuration"
    assert digest_in("r.example/a:v8") == ""


@given(st.text(max_size=80))
def test_no_name_breaks(written: str) -> None:
    parse(written)
    digest_in(written)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            'Bearer realm="https://auth.example/token",service="r",scope="repository:a:pull,push"',
            Challenge("bearer", "https://auth.example/token", "r", "repository:a:pull,push"),
        ),
        ('basic realm="x"', Challenge("basic", "x")),
        ('Basic realm="x", Bearer realm="y",service="z"', Challenge("bearer", "y", "z")),
        ("Bearer", Challenge("bearer")),
        ("Negotiate", None),
        ("", None),
    ],
)
def test_challenges(header: str, expected: Challenge | None) -> None:
    assert challenge_of(header) == expected


def answer(body: object = None, **headers: str) -> HttpResponse:
    return HttpResponse(200, headers, json.dumps(body).encode(), "the registry")


FOREIGN = json_of(
    "token", "access_token", "expires_in", "tags", "manifests", "digest", "artifactType", "errors", "message"
)


@examples(300)
@given(
    FOREIGN, st.text(max_size=60) | st.sampled_from(['Bearer realm="', "Basic ,", "<//[>; rel=next", "<?n>;rel=next"])
)
def test_no_answer_makes_anything_but_our_errors(body: object, header: str) -> None:
    for read in (
        lambda: tags_of(answer(body)),
        lambda: platforms_of(body, "the registry"),
        lambda: signatures_in(body, "the registry"),
        lambda: token_of(body, "the registry"),
        lambda: next_page(answer(link=header), "/v2/a/tags/list"),
        lambda: challenge_of(header),
        lambda: errors_in(json.dumps(body).encode()),
    ):
        with suppress(BackendError):
            read()


# ── what runs, against what the tag says ────────────────────────────────────────────────────────────────────────


def view(image: Image | None, *running: str, name: str = "r.example/models/sentiment:v8") -> VariantView:
    return VariantView(variant("v8", Role.CANARY, 10.0, image=name, running=running), image=image)


def image(digest: str | None = A, *contains: str, signed: bool | None = True, note: str = "") -> Image:
    return Image("r.example/models/sentiment:v8", digest, contains, signed, note)


@pytest.mark.parametrize(
    ("seen", "moved", "words"),
    [
        (
            view(image(A), A),
            False,
            "runs sha256:aaaaaaaaaaaa, as sentiment:v8 says; a signature is attached (not verified)",
        ),
        (view(image(A, B, signed=False), B), False, "no signature is attached"),
        (view(image(A), C), True, "sentiment:v8 is sha256:aaaaaaaaaaaa now, and the replicas run sha256:cccccccccccc"),
        (view(image(A), A, C), True, "some replicas run sha256:cccccccccccc"),
        (view(image(A)), None, "the system does not tell which digest runs"),
        (view(image(A), name=f"r.example/models/sentiment:v8@{C}"), True, "the replicas run sha256:cccccccccccc"),
        (view(image(None, note="no v8 in models/sentiment"), A), None, "no v8 in models/sentiment"),
        (view(None, A), None, "runs sha256:aaaaaaaaaaaa"),
    ],
)
def test_a_tag_that_moved_is_told_from_one_that_did_not(seen: VariantView, moved: bool | None, words: str) -> None:
    found = finding(seen)
    assert found is not None
    assert found.moved is moved
    assert words in found.words


def test_what_nobody_knows_is_not_shown() -> None:
    assert finding(view(None)) is None
    assert finding(replace(view(image()), variant=variant("v8", Role.CANARY, 10.0))) is None


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


def seen(world: FakeWorld, digest: str | None, *running: str, state: SourceState = SourceState.OK) -> View:
    """The fleet with a registry that knows the canary of sentiment, and what its replicas run."""
    named = "registry.example/sentiment-classifier:8"
    found = look(
        world, images=(Image(named, digest, signed=False, note="" if digest else "no such tag"),), registry=state
    )

    def run(one: EndpointView) -> EndpointView:
        variants = (
            replace(each, variant=replace(each.variant, running=running)) if each.name == "v8" else each
            for each in one.variants
        )
        return replace(one, variants=tuple(variants))

    return replace(found, endpoints=tuple(run(one) for one in found.endpoints))


FORWARD = Split({"v7": 75.0, "v8": 25.0})


@pytest.mark.parametrize(
    ("digest", "running", "verdict", "words"),
    [
        (A, (A,), CheckVerdict.PASS, "no signature is attached"),
        (A, (C,), CheckVerdict.WARN, "is sha256:aaaaaaaaaaaa now, and the replicas run sha256:cccccccccccc"),
        (A, (), CheckVerdict.UNKNOWN, "does not tell which digest runs"),
        (None, (A,), CheckVerdict.UNKNOWN, "no such tag"),
    ],
)
def test_the_plan_of_more_traffic_says_so(
    world: FakeWorld, digest: str | None, running: tuple[str, ...], verdict: CheckVerdict, words: str
) -> None:
    made = plan(world, "sentiment", FORWARD, fleet=seen(world, digest, *running))
    found = check(made, "v8 image")
    assert (found.verdict, words in found.evidence) == (verdict, True), found


def test_an_old_answer_of_the_registry_passes_nothing(world: FakeWorld) -> None:
    old = plan(world, "sentiment", FORWARD, fleet=seen(world, A, A, state=SourceState.UNREACHABLE))
    assert check(old, "v8 image").verdict is CheckVerdict.UNKNOWN
    assert "registry unreachable" in check(old, "v8 image").evidence
    back = plan(world, "sentiment", Split({"v7": 100.0, "v8": 0.0}), fleet=seen(world, A, C))
    assert "v8 image" not in [one.name for one in back.checks], "the way back is not hindered by it"
    without = plan(world, "sentiment", FORWARD)
    assert "v8 image" not in [one.name for one in without.checks]


def test_the_endpoint_shows_what_runs_and_that_its_tag_moved(world: FakeWorld) -> None:
    view = seen(world, A, C)
    shown = text(variant_comparison.variants(view, one(view), FULL, 100).lines)
    assert "cccccccccccc moved" in shown
    assert "is sha256:aaaaaaaaaaaa now, and the replicas run sha256:cccccccccccc" in " ".join(shown.split())
    same = seen(world, A, A)
    shown = text(variant_comparison.variants(same, one(same), FULL, 100).lines)
    assert "aaaaaaaaaaaa" in shown
    assert "moved" not in shown


# ── what pods run ───────────────────────────────────────────────────────────────────────────────────────────────


def pod(image: str, image_id: str, name: str = "c", **metadata: str) -> dict[str, object]:
    return {
        "metadata": metadata,
        "spec": {"containers": [{"name": "c", "image": image}, {"name": "sidecar", "image": "proxy:1"}]},
        "status": {"containerStatuses": [{"name": name, "imageID": image_id}]},
    }


def test_what_pods_run_by_what_they_were_asked_to() -> None:
    pods = [
        pod("r/a:v8", f"docker-pullable://r/a@{A}"),
        pod("r/a:v8", f"r/a@{C}"),
        pod("r/a:v8", f"r/a@{B}", deletionTimestamp="2026-11-20T03:14:22Z"),
        pod("r/b:v1", f"docker://{B}"),
        pod("r/c:v1", f"r/proxy@{B}", name="sidecar"),
    ]
    assert running_images(pods) == {"r/a:v8": (A, C), "proxy:1": (B,)}


@given(json_of("metadata", "spec", "status", "containers", "containerStatuses", "name", "image", "imageID", f"a@{A}"))
def test_no_pod_breaks(found: object) -> None:
    assert isinstance(running_images([found] if isinstance(found, dict) else []), dict)


def test_what_pods_run_is_joined_where_the_endpoint_does_not_tell(world: FakeWorld) -> None:
    named = "registry.example/sentiment-classifier:8"
    where = world.ref("sentiment")
    told = Image(named, A, running={(where.backend, where.scope): (C,), ("elsewhere", where.scope): (B,)})
    found = one(look(world, images=(told,))).variant("v8")
    assert found is not None
    assert found.variant.running == (C,)
    shown = finding(found)
    assert shown is not None
    assert shown.moved
