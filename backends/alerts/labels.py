"""The subject and summary of an alert, from its labels and annotations. Pure; shared by the adapters of alerts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from backends.contracts import Subject
from backends.errors import Malformed
from backends.options import Options, text
from backends.options import texts as several

SUMMARIES = ("summary", "message", "description")  # the first of these annotations is shown
_FRACTION = re.compile(r"\.(\d+)")


class LabelOptions(Options):
    """Options: the labels of an alert that name its subject and severity."""

    endpoint_labels = several(
        "labels that can name the endpoint; the first one that exists counts",
        default=("endpoint", "inferenceservice", "model_name", "service_name", "deployment"),
    )
    variant_labels = several(
        "labels that can name the variant", default=("variant", "revision_name", "version", "predictor_name")
    )
    scope_labels = several("labels that can name the scope", default=("scope", "namespace"))
    severity_label = text("label that has the severity", default="severity")


@dataclass(frozen=True, slots=True)
class Labels:
    """The names of the labels with the subject and the severity of an alert."""

    endpoint: tuple[str, ...]
    variant: tuple[str, ...]
    scope: tuple[str, ...]
    severity: str

    @classmethod
    def of(cls, options: LabelOptions) -> Labels:
        return cls(options.endpoint_labels, options.variant_labels, options.scope_labels, options.severity_label)

    def subject(self, labels: Mapping[str, str]) -> Subject | None:
        """The subject of an alert; ``None`` if no label names an endpoint."""
        endpoint, variant, scope = (
            next((labels[name] for name in names if labels.get(name)), "")
            for names in (self.endpoint, self.variant, self.scope)
        )
        return Subject(endpoint, variant, scope) if endpoint else None


def summary(annotations: Mapping[str, str]) -> str:
    """The first annotation of ``SUMMARIES``, on one line."""
    text = next((annotations[name] for name in SUMMARIES if annotations.get(name)), "")
    return "".join(char if char.isprintable() else " " for char in text).strip()[:500]


def texts(value: object, where: str) -> Mapping[str, str]:
    """A table of strings, as labels and annotations are.

    Raises:
        Malformed: the value is not a table of strings.
    """
    if value is None:
        return {}
    if isinstance(value, dict) and all(isinstance(one, str) for one in value.values()):
        return value
    raise Malformed(f"{where} answered with an alert whose labels or annotations are not strings")


def moment(value: object, where: str) -> float:
    """Unix seconds from RFC 3339. Go writes up to nine digits of a second.

    Raises:
        Malformed: the value is not a time.
    """
    if isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(_FRACTION.sub(lambda found: f".{found[1][:6].ljust(6, '0')}", value))
            return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            pass
    raise Malformed(f"{where} answered with a value that is not a time")


def rfc3339(at: float) -> str:
    """Unix seconds in RFC 3339, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
