"""The content of a pane. The pure functions of this folder make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a pane. ``title`` is a word in capitals, ``subtitle`` its detail. There may be more ``lines`` than
    fit."""

    title: str
    subtitle: Text
    lines: Sequence[Text]
