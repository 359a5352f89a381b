"""The names of the series of a target that is scraped directly: single settings, or a preset."""

from __future__ import annotations

import re
from dataclasses import replace

from backends.errors import Rejected
from backends.metrics.preset import LabelRule, Latency, Preset, find_presets
from backends.options import Options, path, text


class NamingOptions(Options):
    """Options: the names of a target's series and labels."""

    requests = text("counter of requests", default="model_requests_total")
    latency = text("histogram of latencies in seconds", default="model_request_duration_seconds")
    endpoint_label = text("label that names the endpoint", default="endpoint")
    variant_label = text("label that names the variant", default="variant")
    scope_label = text("label that names the scope", default="scope")
    code_label = text("label that holds the status code", default="code")
    mirrored_label = text('label that is "true" for mirrored requests', default="mirrored")
    error_codes = text("codes that are errors, as a regular expression", default="5..")
    preset = text("a preset that names all these, instead of the settings above")
    presets = path("folder with presets of your own")
    endpoint = text("name of the endpoint, if no label has it")
    variant = text("name of the variant, if no label has it")


def preset_of(options: NamingOptions) -> Preset:
    """The preset that the options name, or one made from the single settings.

    The options ``endpoint`` and ``variant`` replace the rules of the preset for these names.

    Raises:
        Rejected: there is no preset of that name, several presets are named, or ``error_codes`` is not valid.
    """
    if options.preset:
        named = find_presets(options.preset, options.presets)
        if len(named) != 1:
            raise Rejected("a target that is scraped directly takes one preset", hint="name one for each source")
        found = named[0]
    else:
        try:
            re.compile(options.error_codes)
        except re.error as error:
            raise Rejected(f"error_codes is not a regular expression: {error}") from None
        found = Preset(
            name="settings",
            summary="",
            requests=(options.requests,),
            code=options.code_label,
            errors=options.error_codes,
            latency=Latency(histogram=options.latency),
            labels={
                "endpoint": LabelRule(options.endpoint_label),
                "variant": LabelRule(options.variant_label),
                "scope": LabelRule(options.scope_label),
                "mirrored": LabelRule(options.mirrored_label),
            },
        )
    told = {"endpoint": options.endpoint, "variant": options.variant}
    fixed = {role: LabelRule(fixed=name) for role, name in told.items() if name}
    return replace(found, labels={**found.labels, **fixed})
