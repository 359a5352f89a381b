"""A target's texts, scraped one after the other, without a server."""

from __future__ import annotations

from collections.abc import Iterable

from backends.contracts import Adapter, Subject, VariantMetrics, Wiring
from backends.metrics.openmetrics import OpenMetrics
from tests.realservers.wiring import told

EVERY_S = 10.0


class Scraped:
    """The adapter for a target that serves each of ``texts`` in turn, ten seconds apart."""

    def __init__(self, texts: Iterable[str], **options: object) -> None:
        self.now = 1_800_000_000.0
        self._texts = iter(texts)

        def no_source(kind: str, name: str) -> Adapter:
            raise LookupError(kind, name)

        given = told(OpenMetrics, 2.0, url="http://127.0.0.1:9/metrics", **options)
        self.adapter = OpenMetrics(Wiring("target", given, no_source, lambda: self.now), lambda: next(self._texts))

    def scrape(self) -> dict[Subject, VariantMetrics]:
        self.now += EVERY_S
        return {one.subject: one for one in self.adapter.current(60.0) if not one.mirrored}


def after(*texts: str, **options: object) -> dict[Subject, VariantMetrics]:
    """What is measured once all texts were scraped."""
    scraped = Scraped(texts, **options)
    found: dict[Subject, VariantMetrics] = {}
    for _ in texts:
        found = scraped.scrape()
    return found


def zeroed(text: str) -> str:
    """The text with each value 0, as a target has it before its first request."""
    lines = (line if line.startswith("#") or not line else f"{line.rpartition(' ')[0]} 0" for line in text.split("\n"))
    return "\n".join(lines)
