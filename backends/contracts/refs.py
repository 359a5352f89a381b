"""Names of endpoints, of versions of models, and of the subjects of measurements."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class EndpointRef:
    """Names one endpoint. ``backend`` is the name of the source in the configuration, ``scope`` a namespace,
    project or workspace ("" if the system has none). Written ``backend:scope/name``."""

    backend: str
    scope: str
    name: str

    def __str__(self) -> str:
        return f"{self.backend}:{self.scope}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> EndpointRef:
        """Read ``backend:scope/name``. Everything after the last slash is the name.

        Raises:
            ValueError: the text is not of that form.
        """
        backend, colon, rest = text.partition(":")
        scope, slash, name = rest.rpartition("/")
        if not (backend and colon and slash and name):
            raise ValueError(f"{text!r} is not an endpoint: write BACKEND:SCOPE/NAME")
        return cls(backend, scope, name)


@dataclass(frozen=True, slots=True, order=True)
class ModelRef:
    """A version of a registered model. ``version`` is text: registries number, name or date their versions."""

    model: str
    version: str

    def __str__(self) -> str:
        return f"{self.model}/{self.version}"


@dataclass(frozen=True, slots=True, order=True)
class Subject:
    """The endpoint and variant that a measurement is about, from its labels. ``scope`` and ``variant`` are "" if no
    label names them."""

    endpoint: str
    variant: str = ""
    scope: str = ""
