"""What a pane shows, as the pure functions of this folder make it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text


@dataclass(frozen=True, slots=True)
class Content:
    """``title`` is a word in capitals, ``subtitle`` what it is about; ``lines`` may be more than fit."""

    title: str
    subtitle: Text
    lines: Sequence[Text]
