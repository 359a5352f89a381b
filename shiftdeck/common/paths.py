"""The folders and files of shiftdeck, by the XDG base directory specification."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

CONFIG_VARIABLE = "SHIFTDECK_CONFIG"
_NAME = "shiftdeck"


def _base(variable: str, fallback: str, env: Mapping[str, str] | None) -> Path:
    given = Path((os.environ if env is None else env).get(variable, ""))
    # The specification says that relative paths are to be ignored.
    return (given if given.is_absolute() else home(env) / fallback) / _NAME


def home(env: Mapping[str, str] | None = None) -> Path:
    """The home folder: ``$HOME``, else that of the user database."""
    named = (os.environ if env is None else env).get("HOME")
    return Path(named) if named else Path.home()


def config_file(env: Mapping[str, str] | None = None) -> Path:
    """``$XDG_CONFIG_HOME/shiftdeck/config.toml``."""
    return _base("XDG_CONFIG_HOME", ".config", env) / "config.toml"


def state_dir(env: Mapping[str, str] | None = None) -> Path:
    """``$XDG_STATE_HOME/shiftdeck``: files that must outlive a restart."""
    return _base("XDG_STATE_HOME", ".local/state", env)


def journal_file(env: Mapping[str, str] | None = None) -> Path:
    """The journal's default path."""
    return state_dir(env) / "journal.jsonl"


def cache_dir(env: Mapping[str, str] | None = None) -> Path:
    """``$XDG_CACHE_HOME/shiftdeck``: files that may be deleted at any time."""
    return _base("XDG_CACHE_HOME", ".cache", env)
