"""Colours and symbols. Symbols carry the meaning; colours only repeat it.

Blue is stable and amber is canary, everywhere; red, yellow and green are for verdicts only; grey is secondary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.style import Style
from rich.text import Text

from backends.contracts import Role
from backends.text import one_line
from shiftdeck.changes.check import CheckVerdict
from shiftdeck.health.verdict import Level
from shiftdeck.sources.source import SourceState
from tui.terminal.capabilities import Capabilities, Colours

_FULL = {
    "text": "#d7dce2",
    "strong": "bold #f0f3f6",
    "muted": "#7d8590",
    "faint": "#3d444d",
    "title": "bold #f0f3f6",
    "key": "bold #5b8def",
    "stable": "#5b8def",
    "canary": "#f0a73c",
    "shadow": "#a58bd6",
    "candidate": "#4bb4c0",
    "candidate2": "#8fa3bf",
    "idle": "#7d8590",
    "critical": "#f2545b",
    "warning": "#e5b73b",
    "ok": "#4db880",
    "nodata": "#9aa4b0",
    "cursor": "on #1c2b44",
    "production": "bold #0b0e14 on #f2545b",
    "staging": "bold #0b0e14 on #4db880",
    "brand": "bold #0b0e14 on #5b8def",
    "armed": "bold #0b0e14 on #e5b73b",
    "header": "on #151b24",
    "input": "#f0f3f6 on #1c2b44",
    "button": "#d7dce2 on #262e3a",
    "focus": "bold #0b0e14 on #5b8def",
    "danger": "bold #0b0e14 on #f2545b",
}

_SIXTEEN = {
    "text": "default",
    "strong": "bold",
    "muted": "bright_black",
    "faint": "bright_black",
    "title": "bold",
    "key": "bold blue",
    "stable": "bright_blue",
    "canary": "yellow",
    "shadow": "magenta",
    "candidate": "cyan",
    "candidate2": "bright_cyan",
    "idle": "bright_black",
    "critical": "bright_red",
    "warning": "bright_yellow",
    "ok": "green",
    "nodata": "white",
    "cursor": "reverse",
    "production": "bold white on red",
    "staging": "black on green",
    "brand": "bold white on blue",
    "armed": "black on yellow",
    "header": "none",
    "input": "underline",
    "button": "none",
    "focus": "bold reverse",
    "danger": "bold white on red",
}

_NONE = dict.fromkeys(_FULL, "none") | {
    "strong": "bold",
    "title": "bold",
    "key": "bold",
    "muted": "dim",
    "faint": "dim",
    "critical": "bold",
    "warning": "bold",
    "cursor": "reverse",
    "production": "bold reverse",
    "staging": "reverse",
    "brand": "bold reverse",
    "armed": "reverse",
    "input": "underline",
    "focus": "bold reverse",
    "danger": "bold reverse",
}


@dataclass(frozen=True, slots=True)
class Symbols:
    """Every special character of the screen. An ASCII terminal has a set of its own."""

    critical: str
    warning: str
    ok: str
    nodata: str
    passed: str
    blocked: str
    unknown: str
    bar: str
    bar_thin: str
    track: str
    transit: str
    square: str
    dot: str
    arrow: str
    up: str
    down: str
    dash: str
    enter: str
    ellipsis: str
    sparks: str
    source_on: str
    source_off: str
    mark: str
    vertical: str
    blocks: str
    cursor: str


UNICODE = Symbols(
    critical="✖",
    warning="▲",
    ok="●",
    nodata="?",
    passed="✔",
    blocked="✖",
    unknown="?",
    bar="━",
    bar_thin="╺",
    track="─",
    transit="╍",
    square="■",
    dot="·",
    arrow="→",
    up="▲",
    down="▼",
    dash="–",
    enter="⏎",
    ellipsis="…",
    sparks="▁▂▃▄▅▆▇█",
    source_on="●",
    source_off="○",
    mark="┴",
    vertical="│",
    blocks="▏▎▍▌▋▊▉█",
    cursor="▌",
)

ASCII = Symbols(
    critical="x",
    warning="!",
    ok="o",
    nodata="?",
    passed="+",
    blocked="x",
    unknown="?",
    bar="=",
    bar_thin="-",
    track=".",
    transit="~",
    square="#",
    dot="-",
    arrow="->",
    up="^",
    down="v",
    dash="-",
    enter="Enter",
    ellipsis="~",
    sparks="_.,-=+*#",
    source_on="o",
    source_off=".",
    mark="^",
    vertical="|",
    blocks="########",
    cursor=">",
)


@dataclass(frozen=True, slots=True)
class Look:
    """The look on one terminal: styles by name, and symbols."""

    capabilities: Capabilities
    symbols: Symbols
    styles: dict[str, Style] = field(compare=False)
    remapped: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def for_terminal(
        cls, found: Capabilities, *, ascii_only: bool | None = None, remapped: Mapping[str, str] | None = None
    ) -> Look:
        """The look for a terminal. ``ascii_only`` overrides the detected capability; ``None``: it does not.
        ``remapped`` are the user's keys by action."""
        use_ascii = not found.unicode if ascii_only is None else ascii_only
        table = {Colours.FULL: _FULL, Colours.SIXTEEN: _SIXTEEN, Colours.NONE: _NONE}[found.colours]
        return cls(
            found,
            ASCII if use_ascii else UNICODE,
            {name: Style.parse(text) for name, text in table.items()},
            remapped or {},
        )

    def __getitem__(self, name: str) -> Style:
        return self.styles[name]

    def text(self, *parts: str | tuple[str, str]) -> Text:
        """One line from plain strings and (string, style name) pairs. What would not be printed as it is, is made fit
        before its width is measured."""
        line = Text(no_wrap=True, end="")
        for part in parts:
            text, style = (part, "text") if isinstance(part, str) else part
            line.append(text if text.isprintable() else one_line(text), self[style])
        return line

    def key(self, action: str) -> str:
        """The shown key of an action, for a sentence. It is the user's own key if the action is remapped."""
        from tui.input.actions import action as spec
        from tui.input.keymap import shown_key

        return shown_key(spec(action), self.remapped)

    # ── symbols and styles of values ────────────────────────────────────────────────────────────────────────────

    def level(self, level: Level) -> tuple[str, str]:
        """Symbol and style name of a verdict."""
        return {
            Level.CRITICAL: (self.symbols.critical, "critical"),
            Level.WARNING: (self.symbols.warning, "warning"),
            Level.NO_DATA: (self.symbols.nodata, "nodata"),
            Level.OK: (self.symbols.ok, "ok"),
        }[level]

    def check(self, verdict: CheckVerdict) -> tuple[str, str]:
        """Symbol and style name of a check's verdict."""
        return {
            CheckVerdict.PASS: (self.symbols.passed, "ok"),
            CheckVerdict.WARN: (self.symbols.warning, "warning"),
            CheckVerdict.BLOCK: (self.symbols.blocked, "critical"),
            CheckVerdict.UNKNOWN: (self.symbols.unknown, "nodata"),
        }[verdict]

    def source(self, state: SourceState) -> tuple[str, str]:
        """Symbol and style name of a source's state."""
        if state is SourceState.OK:
            return self.symbols.source_on, "ok"
        if state in (SourceState.OFF, SourceState.STARTING):
            return self.symbols.source_off, "muted"
        if state is SourceState.STALE:
            return self.symbols.warning, "warning"
        return self.symbols.critical, "critical"

    @staticmethod
    def role(role: Role) -> str:
        """Style name of a variant's role."""
        return {
            Role.STABLE: "stable",
            Role.CANARY: "canary",
            Role.SHADOW: "shadow",
            Role.CANDIDATE: "candidate",
            Role.IDLE: "idle",
        }[role]
