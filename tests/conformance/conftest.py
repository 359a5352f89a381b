"""The kit's examples are as many as those of other tests. The third party's own tests run where its distribution is
installed: tests/contract/test_packaging.py."""

from __future__ import annotations

import pytest
from hypothesis import settings

from backends.conformance import serving as laws
from tests.examples import many

collect_ignore = ["thirdparty"]


@pytest.fixture(autouse=True)
def usual_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = laws.EXAMPLES.max_examples
    monkeypatch.setattr(laws, "EXAMPLES", settings(laws.EXAMPLES, max_examples=many(wanted)))
