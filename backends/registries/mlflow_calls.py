"""Writes to an MLflow registry (an alias, a tag, a stage): turned into calls, and parsed from calls. Pure.

MLflow has no compare-and-set. A header that is not sent holds the expected value, so that ``send`` can read, compare,
write and read back.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from backends.contracts import Call, ModelRef
from backends.errors import Rejected
from backends.registries.mlflow_store import API

EXPECTED = "Shiftdeck-Expected"
RESERVED_ALIAS = re.compile(r"latest|v\d+", re.IGNORECASE)
RESERVED_TAGS = "mlflow."
STAGES = ("None", "Staging", "Production", "Archived")


class What(StrEnum):
    """What is written."""

    ALIAS = "alias"
    TAG = "tag"
    STAGE = "stage"


_SET = {
    What.ALIAS: ("POST", "/registered-models/alias"),
    What.TAG: ("POST", "/model-versions/set-tag"),
    What.STAGE: ("POST", "/model-versions/transition-stage"),
}
_UNSET = {
    What.ALIAS: ("DELETE", "/registered-models/alias"),
    What.TAG: ("DELETE", "/model-versions/delete-tag"),
}


@dataclass(frozen=True, slots=True)
class Write:
    """Replace ``expected`` by ``value``; "" means unset.

    For an alias, ``name`` is its name, the value is a version, and ``version`` is empty. For a tag, ``name`` is its key
    and ``version`` the version that has it. For a stage, ``name`` is empty and ``version`` the version that has it.
    """

    what: What
    model: str
    name: str
    version: str
    value: str
    expected: str

    @property
    def place(self) -> str:
        """What is written, for a sentence: "alias @champion of m", "tag scan of m/7"."""
        if self.what is What.ALIAS:
            return f"alias @{self.name} of {self.model}"
        return f"{self.what} {self.name} of {self.model}/{self.version}".replace("stage  of", "stage of")

    @property
    def body(self) -> dict[str, object]:
        """The body of the call in MLflow's REST API."""
        if self.what is What.ALIAS:
            body: dict[str, object] = {"name": self.model, "alias": self.name}
            return {**body, "version": self.value} if self.value else body
        body = {"name": self.model, "version": self.version}
        if self.what is What.STAGE:
            # Other versions in that stage stay there: the user decides about each of them.
            return {**body, "stage": self.value, "archive_existing_versions": False}
        return {**body, "key": self.name, **({"value": self.value} if self.value else {})}

    def told(self, value: str) -> str:
        """The value in words: "at 7", "passed", "unset"."""
        return "unset" if not value else f"at {value}" if self.what is What.ALIAS else repr(value)


def compile_write(write: Write, uri: str) -> tuple[Call, ...]:
    """The call that writes the value; none if it equals the expected value.

    ``uri`` is the address of the registry without credentials.

    Raises:
        Rejected: MLflow has no such stage, or reserves that alias or tag.
    """
    if write.what is What.ALIAS and RESERVED_ALIAS.fullmatch(write.name):
        raise Rejected(f"MLflow keeps the alias {write.name!r} to itself", hint="v<number> and latest are reserved")
    if write.what is What.TAG and (not write.name or write.name.startswith(RESERVED_TAGS)):
        raise Rejected(
            f"MLflow keeps the tag {write.name!r} to itself", hint=f"those with {RESERVED_TAGS} are reserved"
        )
    if write.what is What.STAGE and write.value not in STAGES:
        raise Rejected(f"there is no stage {write.value!r}", hint=f"the stages are {', '.join(STAGES)}")
    if write.value == write.expected:
        return ()
    method, path = (_SET if write.value else _UNSET)[write.what]
    stands = write.told(write.expected).replace("at ", "still at ", 1) if write.expected else "still unset"
    now, then = write.expected or "unset", write.value or "unset"
    return (
        Call(
            method,
            API + path,
            write.body,
            headers={EXPECTED: write.expected},
            guard=f"{write.place.partition(' of ')[0]} {stands} (read, set, read back: MLflow has no compare-and-set)",
            summary=f"{_subject(write)} {now} → {then}",
            command=f"python -c {shlex.quote(_script(write, uri))}",
        ),
    )


def understood(call: Call) -> Write:
    """The write that ``compile_write`` turned into this call.

    Raises:
        Rejected: ``compile_write`` did not make this call.
    """
    body = call.body if isinstance(call.body, Mapping) else {}
    told = {key: str(body.get(key, "")) for key in ("name", "alias", "version", "key", "value", "stage")}
    shape = (call.method, call.path.removeprefix(API))
    found = next((what for table in (_SET, _UNSET) for what, form in table.items() if form == shape), None)
    expected = call.headers.get(EXPECTED)
    if found is not None and expected is not None:
        if found is What.ALIAS:
            write = Write(found, told["name"], told["alias"], "", told["version"], expected)
        else:
            value = told["stage"] if found is What.STAGE else told["value"]
            write = Write(found, told["name"], told["key"], told["version"], value, expected)
        if bool(write.value) == (shape == _SET[found]):
            return write
    raise Rejected(f"{call.method} {call.path} is not a call of this registry")


def alias(model: str, name: str, version: str, expected: str | None) -> Write:
    return Write(What.ALIAS, model, name, "", version, expected or "")


def tag(ref: ModelRef, key: str, value: str, expected: str | None) -> Write:
    return Write(What.TAG, ref.model, key, ref.version, value, expected or "")


def stage(ref: ModelRef, name: str, expected: str | None) -> Write:
    known = next((one for one in STAGES if one.lower() == name.lower()), name)
    return Write(What.STAGE, ref.model, "", ref.version, known, expected or STAGES[0])


def _subject(write: Write) -> str:
    if write.what is What.ALIAS:
        return f"{write.model}: alias @{write.name}"
    return f"{write.model}/{write.version}: {write.what}{f' {write.name}' if write.name else ''}"


def _script(write: Write, uri: str) -> str:
    """The same write in Python, by MLflow's own client, for a user to run."""
    if write.what is What.ALIAS:
        verb = "set_registered_model_alias" if write.value else "delete_registered_model_alias"
        given = [write.model, write.name]
    elif write.what is What.TAG:
        verb = "set_model_version_tag" if write.value else "delete_model_version_tag"
        given = [write.model, write.version, write.name]
    else:
        verb = "transition_model_version_stage"
        given = [write.model, write.version]
    arguments = ", ".join(repr(one) for one in [*given, *([write.value] if write.value else [])])
    return f"from mlflow import MlflowClient; MlflowClient({uri!r}).{verb}({arguments})"
