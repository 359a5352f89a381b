"""The configuration that points shiftdeck at the lab: ``lab.toml``."""

from __future__ import annotations

import json
from pathlib import Path

from backends.lab.world import ENDPOINTS

MIN_SAMPLES = 40  # the canary with the least traffic gets about 50 requests a minute


def config_text(state: Path, gateway: str, registry: str) -> str:
    """The text of the file. ``state`` is the lab's folder, ``gateway`` the gateway's URL, ``registry`` the registry's
    URI.
    """
    overrides = "\n".join(
        f'[contexts.lab.slo.endpoints."lab:{spec.scope}/{spec.name}"]\np95 = "{spec.p95_slo_s * 1000:.0f}ms"\n'
        for spec in ENDPOINTS
        if spec.p95_slo_s is not None
    )
    return f"""\
# Written by the lab for this run. It names only the lab's own systems: nothing here is production.
default_context = "lab"
journal = {_text(state / "journal.jsonl")}

[contexts.lab]
production = true
access = "read-write"

[contexts.lab.slo]
p95 = "200ms"
errors = "1%"
drift = 0.25
min_samples = {MIN_SAMPLES}

{overrides}
[contexts.lab.registries.mlflow]
uri = {_text(registry)}
every = "10s"

[contexts.lab.serving.lab]
url = {_text(gateway)}
every = "1s"

[contexts.lab.metrics.gateway]
adapter = "openmetrics"
url = {_text(gateway + "/metrics")}
every = "2s"
window = "2m"
share_window = "10s"

[contexts.lab.accelerators.dcgm]
metrics = "gateway"

[contexts.lab.accelerators.nvml]

[contexts.lab.drift.psi]
adapter = "histograms"
metrics = "gateway"
histogram = "model_feature_value"
reference = {_text(state / "reference.json")}
serving = "lab"

[contexts.lab.drift.quality]
metrics = "gateway"
registry = "mlflow"
"""


def _text(value: object) -> str:
    """A TOML basic string. For the characters of a path or URL, JSON has the same syntax."""
    return json.dumps(str(value))
