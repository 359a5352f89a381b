"""Lines of running text: labels with a hanging indent, columns side by side, bars. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from tui.render.theme import Look

_CONSOLE = Console(width=1000, force_terminal=False, no_color=True)


def line(*parts: Text) -> Text:
    """One line from texts that are styled already."""
    made = Text(no_wrap=True, end="")
    for part in parts:
        made.append_text(part)
    return made


def wrap(text: Text, width: int) -> list[Text]:
    """``text`` wrapped to lines of ``width`` cells. Only a word that is longer than a line is broken."""
    body = text.copy()
    body.no_wrap, body.overflow, body.end = False, "fold", ""
    lines = list(body.wrap(_CONSOLE, max(8, width)))
    for one in lines:
        one.rstrip()
        one.end = ""
    return lines or [Text(end="")]


def hang(label: Text, body: Text, width: int, indent: int) -> list[Text]:
    """``label`` in a column ``indent`` wide, and beside it ``body``, wrapped. A label that does not fit its column gets
    a line of its own."""
    beside = wrap(body, width - indent)
    if label.cell_len > indent - 1:
        return [*wrap(label, width), *(line(Text(" " * indent), one) for one in beside)]
    head = label.copy()
    head.pad_right(indent - label.cell_len)
    return [line(head, beside[0]), *(line(Text(" " * indent), one) for one in beside[1:])]


def flow(label: Text, pieces: Sequence[Text], separator: Text, width: int, indent: int) -> list[Text]:
    """``label`` and beside it ``pieces``, as many on a line as fit. Only a piece that is longer than a line is
    broken."""
    lines: list[Text] = []
    for piece in pieces:
        if lines and lines[-1].cell_len + separator.cell_len + piece.cell_len <= width - indent:
            lines[-1] = line(lines[-1], separator, piece)
        else:
            lines += wrap(piece, width - indent)
    first, *others = lines or [Text(end="")]
    return [*hang(label, first, width, indent), *(line(Text(" " * indent), one) for one in others)]


def right(text: Text, width: int) -> Text:
    """``text`` moved to the right end of a column. A wider text is not changed."""
    return line(Text(" " * max(0, width - text.cell_len)), text)


def left(text: Text, width: int) -> Text:
    """``text`` filled with blanks to the width of its column."""
    return line(text, Text(" " * max(0, width - text.cell_len)))


def ends(first: Text, last: Text, width: int) -> list[Text]:
    """``first`` at the left end and ``last`` at the right end of a line, or on two lines if they do not fit on one."""
    room = width - first.cell_len - last.cell_len
    if room >= 2:
        return [line(first, Text(" " * room), last)]
    return [*wrap(first, width), last]


def bar(look: Look, style: str, percent: float | None, width: int) -> Text:
    """A bar of ``percent`` (0–100) of ``width`` cells on a faint track. A value above 0 has at least a thin mark. An
    unknown value has no bar and no track."""
    if percent is None or width <= 0:
        return Text()
    share = min(100.0, max(0.0, percent))
    full = round(share / 100.0 * width)
    trace = share > 0 and full == 0
    drawn = look.symbols.bar_thin if trace else look.symbols.bar * full
    return look.text((drawn, style), (look.symbols.track * (width - len(drawn)), "faint"))


def beside(blocks: Sequence[Sequence[Text]], widths: Sequence[int], gap: int = 2) -> list[Text]:
    """Blocks of lines as columns of the given widths."""
    height = max((len(block) for block in blocks), default=0)
    made = []
    for row in range(height):
        parts: list[Text] = []
        for at, (block, width) in enumerate(zip(blocks, widths, strict=True)):
            text = block[row] if row < len(block) else Text()
            parts.append(left(text, width + gap) if at < len(blocks) - 1 else text)
        made.append(line(*parts))
    return made
