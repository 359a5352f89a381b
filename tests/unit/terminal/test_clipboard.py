"""Text on its way to the terminal's clipboard, through what multiplexes terminals."""

from __future__ import annotations

import base64
import re

from hypothesis import given
from hypothesis import strategies as st

from tui.terminal.clipboard import LIMIT, SCREEN_CHUNK, osc52


def decoded(sequence: str) -> str:
    found = re.fullmatch("\x1b\\]52;c;([A-Za-z0-9+/=]*)\x07", sequence)
    assert found is not None
    return base64.b64decode(found[1]).decode()


@given(st.text(max_size=2000).filter(lambda text: not re.search("[\ud800-\udfff]", text)))
def test_a_terminal_gets_the_text_itself(text: str) -> None:
    assert decoded(osc52(text, {})) == text


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=2000))
def test_screen_gets_it_in_pieces_that_it_passes_on(text: str) -> None:
    sequence = osc52(text, {"STY": "1234.pts-0"})
    pieces = re.findall("\x1bP(.*?)\x1b\\\\", sequence, re.DOTALL)
    assert all(len(piece) <= SCREEN_CHUNK for piece in pieces)
    assert decoded("".join(pieces)) == text
    assert "".join(f"\x1bP{piece}\x1b\\" for piece in pieces) == sequence


def test_tmux_gets_it_bare_for_itself_and_wrapped_for_the_terminal_outside() -> None:
    sequence = osc52("v7 100", {"TMUX": "/tmp/tmux-0/default,1,0"})
    bare, passed, rest = sequence.partition("\x1bPtmux;")
    assert decoded(bare) == "v7 100"
    assert passed
    assert rest.endswith("\x1b\\")
    assert decoded(rest.removesuffix("\x1b\\").replace("\x1b\x1b", "\x1b")) == "v7 100"


def test_what_terminals_would_cut_off_is_not_sent() -> None:
    assert decoded(osc52("x" * LIMIT, {}))
    assert osc52("x" * (LIMIT + 1), {}) == ""
    assert osc52("é" * LIMIT, {}) == ""


def test_text_that_has_no_utf8_form_is_no_failure() -> None:
    assert decoded(osc52("a\ud800b", {})) == "a?b"
