"""What polls are given and what they answer, beyond the types of the contracts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends.contracts import Adapter, ModelRef, Subject, VariantMetrics

AskedImage = tuple[tuple[str, str], str]
"""An image that a variant was asked to run: the serving source and scope, and the image's name."""


@dataclass(frozen=True, slots=True)
class PollContext:
    """What a poll may need besides its own adapter.

    ``window_s`` and ``share_window_s`` are the windows of a metrics source. ``images`` returns the images that
    variants were asked to run, ``served`` the versions of models that variants serve. ``adapter`` returns another
    adapter of the context by kind and source name, and raises ``LookupError`` where there is none. ``forgotten`` tells
    of a subject, and of the time of its last data, whether the operator told to forget it.
    """

    window_s: float
    share_window_s: float
    images: Callable[[], Sequence[AskedImage]]
    served: Callable[[], frozenset[ModelRef]]
    adapter: Callable[[str, str], Adapter]
    forgotten: Callable[[Subject, float], bool] = lambda subject, at: False


@dataclass(frozen=True, slots=True)
class MetricsReading:
    """The answer of one metrics source: ``current`` over its window, ``recent`` over the shorter window in which
    traffic shares are measured. ``vanished`` are the subjects that it measured and measures no longer, with the time of
    their last data, without those that the operator told to forget."""

    current: tuple[VariantMetrics, ...]
    recent: tuple[VariantMetrics, ...]
    vanished: tuple[tuple[Subject, float], ...] = ()
