"""The configuration file: finding it, and turning its text into validated types.

One TOML file holds contexts (an environment each) with their sources, access and objectives. All errors are reported at
once, with file, line, key and accepted values.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

from backends import discovery
from backends.settings import Setting
from shiftdeck.common import paths
from shiftdeck.config.errors import ConfigError, ConfigErrors, ConfigMissing, Findings
from shiftdeck.config.model import (
    Access,
    Config,
    ContextConfig,
    Gates,
    GatesConfig,
    MetricGate,
    PlatformConfig,
    RefreshConfig,
    Slo,
    SloConfig,
    SourceConfig,
    UiConfig,
    Weight,
)
from shiftdeck.config.parser import SettingsOf, read_config, read_options
from shiftdeck.config.platform_parser import PLATFORMS
from shiftdeck.config.toml_lines import key_lines
from shiftdeck.config.values import Table

__all__ = [
    "Access",
    "Config",
    "ConfigError",
    "ConfigErrors",
    "ConfigMissing",
    "ContextConfig",
    "Gates",
    "GatesConfig",
    "MetricGate",
    "PlatformConfig",
    "RefreshConfig",
    "Slo",
    "SloConfig",
    "SourceConfig",
    "UiConfig",
    "Weight",
    "adapter_settings",
    "find_config",
    "load",
    "parse",
    "sketch",
]


def adapter_settings(kind: str, adapter: str) -> tuple[Setting, ...]:
    """The settings that an installed adapter declares, or where ``kind`` is "platforms" a platform of that type.
    Imports its module, not its SDK.

    Raises:
        LookupError: there is no adapter of that name, or it cannot be imported.
        UnusableAdapter: it is another distribution's, and cannot be used.
    """
    try:
        return discovery.options_class(kind, adapter).SETTINGS
    except discovery.UnknownAdapter as error:
        known = discovery.adapter_names(kind)
        close = difflib.get_close_matches(adapter, known, n=1)
        hint = f", did you mean {close[0]!r}?" if close else "."
        what = "type of platform" if kind == PLATFORMS else "adapter"
        where = "" if kind == PLATFORMS else f" for {kind}"
        words = f"no {what} {adapter!r}{where}{hint} Known are: {', '.join(known) or 'none'}"
        raise LookupError(words) from error
    except discovery.UnusableAdapter:
        raise
    except Exception as error:  # importing a third party's adapter may raise anything
        raise LookupError(f"the adapter {adapter!r} cannot be loaded: {type(error).__name__}: {error}") from error


def find_config(explicit: Path | None = None, env: Mapping[str, str] | None = None) -> Path:
    """The path of the configuration file: ``explicit`` (``--config``), else ``$SHIFTDECK_CONFIG``, else the XDG path.
    The file need not exist."""
    if explicit is not None:
        return explicit.expanduser()
    named = (os.environ if env is None else env).get(paths.CONFIG_VARIABLE)
    return Path(named).expanduser() if named else paths.config_file(env)


def load(path: Path, settings_of: SettingsOf = adapter_settings) -> Config:
    """Read and validate the file.

    Raises:
        ConfigMissing: there is no such file.
        ConfigErrors: it cannot be read, or it has errors; all of them at once.
    """
    return parse(_text(path), path, settings_of)


def sketch(path: Path) -> tuple[Config, Callable[[], Config]]:
    """The configuration without the options of its sources, and a function that returns the whole configuration. That
    function raises ``ConfigErrors`` if the options have errors. Only the options need the adapters, and importing
    adapters takes longer than everything else.

    Raises:
        ConfigMissing, ConfigErrors: as ``load`` does, except for the options of sources.
    """
    text = _text(path)
    raw = _tables(text, path)
    lines = key_lines(text)
    found = _config(raw, Findings(path, lines), None, paths.journal_file())

    def complete() -> Config:
        findings = Findings(path, lines)
        whole = read_options(found, raw, findings, adapter_settings)
        findings.raise_any()
        return whole

    return found, complete


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        hint = "there is no configuration here: `shiftdeck init` writes one, `shiftdeck demo` needs none"
        raise ConfigMissing([ConfigError(path, None, "", hint)]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigErrors([ConfigError(path, line, "", "this is not UTF-8 text")]) from None
    except OSError as error:
        raise ConfigErrors([ConfigError(path, None, "", f"cannot be read: {error.strerror}")]) from None


def parse(
    text: str, path: Path, settings_of: SettingsOf | None = adapter_settings, *, default_journal: Path | None = None
) -> Config:
    """Validate the text of a configuration file. Reads no file. ``path`` is named in errors, and relative paths start
    from its folder. ``default_journal`` is used if the file names no journal. Without ``settings_of`` the options of
    sources are left out.

    Raises:
        ConfigErrors: the text has errors; all of them at once.
    """
    raw = _tables(text, path)
    return _config(raw, Findings(path, key_lines(text)), settings_of, default_journal or paths.journal_file())


def _tables(text: str, path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigErrors([_syntax_error(path, text, str(error))]) from None


def _config(raw: Table, findings: Findings, settings_of: SettingsOf | None, default_journal: Path) -> Config:
    config = read_config(raw, findings, settings_of, default_journal)
    findings.raise_any()
    assert config is not None
    return config


def _syntax_error(path: Path, text: str, message: str) -> ConfigError:
    """The error with its line. ``tomllib`` ends its messages in "(at line 3, column 5)" or "(at end of document)"."""
    found = re.search(r"\(at (?:line (\d+), column \d+|end of document)\)$", message)
    line = None if found is None else int(found[1] or text.count("\n") + 1)
    return ConfigError(path, line, "", f"not TOML: {message[: found.start()].strip() if found else message}")
