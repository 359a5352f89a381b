"""The domain types that all three layers use, and the protocols that adapters implement.

Units, everywhere: times are Unix seconds (``at``, ``created``), durations are seconds (``*_s``), latencies are
seconds, weights and shares are **percent** (0–100), error ratios are 0–1, memory is bytes. ``None`` means "not known"
and is never the same as 0.

All protocols are plain synchronous code that puts a deadline on every call and raises only ``backends.errors``.
Adapters are called from several threads (one polls, another carries out an action), so they must be thread-safe.

Every name is imported from here (``from backends.contracts import Endpoint``), and its module is loaded only then:
CPython takes about a millisecond to make a dataclass, and no program needs all of them. Import names that are used only
in annotations under ``TYPE_CHECKING``. ``contracts.Split`` inside a function loads the module when the function runs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backends.contracts.accelerators import *
    from backends.contracts.adapter import *
    from backends.contracts.alerts import *
    from backends.contracts.calls import *
    from backends.contracts.changes import *
    from backends.contracts.discovering import *
    from backends.contracts.drift import *
    from backends.contracts.endpoints import *
    from backends.contracts.images import *
    from backends.contracts.metrics import *
    from backends.contracts.refs import *
    from backends.contracts.registries import *
    from backends.contracts.rehearsal import *
    from backends.contracts.serving import *
    from backends.contracts.weights import *
    from backends.contracts.words import *

_NAMES = {
    "accelerators": "Accelerators Gpu GpuProcess",
    "adapter": "Adapter CONTRACT_VERSION Probe Remarks Wiring",
    "alerts": "Alert Alerts Silence Silences",
    "calls": "Call Diverged Pending Progress Receipt Settled",
    "changes": "Abort Advance Change Mirror Pause Promote Resume Retry Rollback Split Unpin action_of",
    "discovering": "Discovered Discovers",
    "drift": "Drift DriftScore Past Recalls ScoreKey",
    "endpoints": "Endpoint Release Variant",
    "images": "Image Images",
    "metrics": "Histogram Metrics Rates Remembers Sample Series Vanishes VariantMetrics",
    "refs": "EndpointRef ModelRef Subject",
    "registries": "VersionsByName Annotates Artifacts Column Dataset Describes ModelVersion Registry Signature",
    "rehearsal": "Drill Rehearsal",
    "serving": "Captures Courteous Fences Forecast Forecasts Held Previews Runs Serving",
    "weights": "WEIGHT_TOLERANCE same_weight",
    "words": "Action AlertState Direction EMPTY Gap Measure Phase ProbeKind Role",
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names.split()}

if not TYPE_CHECKING:  # with ``__getattr__`` in sight mypy would accept any name
    __all__ = sorted(_MODULE_OF)

    def __getattr__(name: str) -> object:
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
