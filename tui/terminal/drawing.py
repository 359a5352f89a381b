"""Decides which code draws the app: ``painted_app``, or Textual itself.

``painted_app`` relies on private parts of Textual, which any version may change, so it is used only with the versions
that its tests were run with. With any other version Textual draws by itself: it writes more bytes, and a slow link is
not detected.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

TESTED = ("8.2.0", "8.2.2", "8.2.3", "8.2.4", "8.2.5", "8.2.6", "8.2.7", "8.2.8")
"""The versions of Textual that tests/app/test_painting.py and tests/unit/terminal/test_painter.py passed with. 8.2.1 is
not among them: one run in seven ended with a row that was not as it should be."""


def textual_version() -> str:
    """The installed version. Installers name a folder beside the package after the version, which is found in less than
    a millisecond. Only if there is no such folder, ``importlib.metadata`` is imported, which takes 15 ms."""
    spec = find_spec("textual")
    assert spec is not None
    assert spec.origin is not None
    found = [one.name for one in Path(spec.origin).parent.parent.glob("textual-*.dist-info")]
    if len(found) == 1:
        return found[0].removeprefix("textual-").removesuffix(".dist-info")
    from importlib.metadata import version

    return version("textual")


def is_painted() -> bool:
    """Whether ``painted_app`` draws."""
    return textual_version() in TESTED
