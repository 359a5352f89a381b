"""How the series of a target that is scraped directly are named: by settings, one for each name, or by a preset."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from backends.errors import Rejected
from backends.metrics.preset import ROLES, LabelRule, Latency, Preset, find_presets
from backends.settings import Setting, SettingType

NAMES: tuple[Setting, ...] = (
    Setting("requests", SettingType.TEXT, "counter of requests", default="model_requests_total"),
    Setting("latency", SettingType.TEXT, "histogram of latencies in seconds", default="model_request_duration_seconds"),
    Setting("endpoint_label", SettingType.TEXT, "label that names the endpoint", default="endpoint"),
    Setting("variant_label", SettingType.TEXT, "label that names the variant", default="variant"),
    Setting("scope_label", SettingType.TEXT, "label that names the scope", default="scope"),
    Setting("code_label", SettingType.TEXT, "label that holds the status code", default="code"),
    Setting("mirrored_label", SettingType.TEXT, 'label that is "true" for mirrored requests', default="mirrored"),
    Setting("error_codes", SettingType.TEXT, "codes that are errors, as a regular expression", default="5.."),
    Setting("preset", SettingType.TEXT, "a preset that names all these, instead of the settings above"),
    Setting("presets", SettingType.PATH, "folder with presets of your own"),
    Setting("endpoint", SettingType.TEXT, "name of the endpoint, where no label tells it"),
    Setting("variant", SettingType.TEXT, "name of the variant, where no label tells it"),
)


def preset_of(options: Mapping[str, object]) -> Preset:
    """The preset that the options name, or the one that they are themselves. Names that no label tells go over.

    Raises:
        Rejected: there is none of that name, several are meant, or a setting does not fit.
    """
    if options.get("preset"):
        named = find_presets(str(options["preset"]), cast("Path | None", options.get("presets")))
        if len(named) != 1:
            raise Rejected("a target that is scraped directly takes one preset", hint="name one for each source")
        found = named[0]
    else:
        try:
            re.compile(str(options["error_codes"]))
        except re.error as error:
            raise Rejected(f"error_codes is not a regular expression: {error}") from None
        found = Preset(
            name="settings",
            summary="",
            requests=(str(options["requests"]),),
            code=str(options["code_label"]),
            errors=str(options["error_codes"]),
            latency=Latency(histogram=str(options["latency"])),
            labels={role: LabelRule(str(options[f"{role}_label"])) for role in ROLES},
        )
    fixed = {role: LabelRule(fixed=str(name)) for role in ("endpoint", "variant") if (name := options.get(role))}
    return replace(found, labels={**found.labels, **fixed})
