"""Pages of tags behind proxies: links to paths, schemes and hosts by which the registry cannot be reached."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from backends.errors import Malformed, Rejected
from backends.http import HttpResponse
from backends.images.oci import OciImages
from tests.realservers.wiring import made

HOST = "registry.ml.test:5002"
LISTED = "/v2/sentiment/tags/list"
NEXUS = f"http://{HOST}/repository/docker-hosted{LISTED}?n=2&last=v7"


class Registry:
    """Answers by path; whatever it does not know is 404, and what is in ``refused`` is an error."""

    where, base_url = HOST, f"https://{HOST}"

    def __init__(self, link: str, refused: tuple[str, ...] = ()) -> None:
        self.link, self.refused, self.asked = link, refused, list[str]()
        self.pages: dict[str, object] = {LISTED: ["v6", "v7"], f"{LISTED}?n=2&last=v7": ["v8"]}

    def request(self, method: str, path: str, **_: object) -> HttpResponse:
        self.asked.append(path)
        if path in self.refused:
            raise Rejected(f"{HOST} answered 400")
        headers: Mapping[str, str] = {"link": f'<{self.link}>; rel="next"'} if path == LISTED and self.link else {}
        if path in self.pages:
            body = json.dumps({"name": "sentiment", "tags": self.pages[path]}).encode()
            return HttpResponse(200, headers, body, HOST)
        return HttpResponse(404, {}, b"", HOST)


def note(registry: Registry, *others: str) -> str:
    images = made(OciImages, url=registry.base_url)
    images._http = registry  # type: ignore[assignment]  # what is asked of a client here
    found = images.images([f"{HOST}/sentiment:v9", *others])
    return found[0].note


@pytest.mark.parametrize(
    "link",
    [
        NEXUS,
        f"https://{HOST}{LISTED}?n=2&last=v7",
        f"http://elsewhere.test{LISTED}?n=2&last=v7",
        f"{LISTED}?n=2&last=v7",
        "?n=2&last=v7",
    ],
)
def test_the_query_of_a_link_leads_on_whatever_its_path_says(link: str) -> None:
    """sonatype/nexus-public #1011, renovatebot/renovate #15080, #15030, docker_registry2 #56."""
    registry = Registry(link)
    assert note(registry) == "no v9 in sentiment, which has v6, v7, v8"
    assert all(path.startswith("/v2/sentiment/") for path in registry.asked), "nothing is asked of another path or host"


@pytest.mark.parametrize(
    ("link", "refused"), [(NEXUS, (f"{LISTED}?n=2&last=v7",)), (f"{LISTED}?n=2", (f"{LISTED}?n=2",))]
)
def test_a_page_that_cannot_be_read_leaves_what_was_read(link: str, refused: tuple[str, ...]) -> None:
    assert note(Registry(link, refused)) == "no v9 in sentiment, which has v6, v7; the list is incomplete"


def test_a_link_that_repeats_its_page_ends() -> None:
    registry = Registry(f"{LISTED}?n=2&last=v7")
    again = {**registry.pages, f"{LISTED}?n=2&last=v7": ["v6", "v7"]}
    registry.pages = again
    assert note(registry) == "no v9 in sentiment, which has v6, v7"


@pytest.mark.parametrize("refused", [(LISTED,)])
def test_a_list_that_is_refused_is_no_missing_repository(refused: tuple[str, ...]) -> None:
    assert note(Registry("", refused)) == f"no v9 in sentiment; its tags cannot be listed: {HOST} answered 400"


def test_null_is_no_tags_and_no_list_is_no_repository() -> None:
    """sonatype/nexus-public #209, #117."""
    registry = Registry("")
    registry.pages[LISTED] = None
    assert note(registry) == "no v9 in sentiment"
    del registry.pages[LISTED]
    assert note(registry) == "no repository sentiment"


def test_an_odd_answer_for_one_image_leaves_the_others() -> None:
    digest = f"sha256:{'0' * 64}"

    class Odd(Registry):
        def request(self, method: str, path: str, **_: object) -> HttpResponse:
            if path.startswith("/v2/fraud/"):
                return HttpResponse(200, {"docker-content-digest": "no digest"}, b"{}", HOST)
            if path == f"/v2/churn/manifests/{digest}":
                return HttpResponse(404, {}, b"", HOST)
            if path == "/v2/churn/manifests/v1":
                return HttpResponse(200, {"docker-content-digest": digest}, b"{}", HOST)
            return super().request(method, path)

    images = made(OciImages, url=Odd.base_url)
    images._http = Odd("")  # type: ignore[assignment]  # what is asked of a client here
    churn, fraud = images.images([f"{HOST}/churn:v1", f"{HOST}/fraud:v1"])
    assert churn.digest == digest
    assert "digest that is not valid" in fraud.note
    with pytest.raises(Malformed):
        images.images([f"{HOST}/fraud:v1"])
