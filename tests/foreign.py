"""What others may answer, for hypothesis: JSON of any shape, in which the words that a parser looks for come often."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]

HUGE = 10**400
"""An integer that JSON can hold and a float cannot."""

SCALARS: Strategy = st.none() | st.booleans() | st.integers() | st.just(HUGE) | st.floats() | st.text(max_size=8)


def json_of(*words: str, leaves: Strategy = SCALARS, most: int = 20) -> Strategy:
    """Anything that JSON can hold, NaN and infinity too, as Python's own parser reads them. ``words`` are keys, and
    values besides ``leaves``; ``most`` bounds the leaves of one value."""
    keys: Strategy = st.text(max_size=8)
    if words:
        keys, leaves = st.sampled_from(words) | st.text(max_size=5), leaves | st.sampled_from(words)
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=6),
        max_leaves=most,
    )
