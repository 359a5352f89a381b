"""The registered versions of the models behind one endpoint, newest first. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from rich.text import Text

from shiftdeck.common.durations import age
from shiftdeck.common.numbers import endless, known
from shiftdeck.engine.view import View
from shiftdeck.fleet.endpoint import EndpointView
from tui.render import source_status, traffic_bar
from tui.render.columns import Column, grid
from tui.render.content import Content
from tui.render.theme import Look

if TYPE_CHECKING:
    from backends.contracts import ModelVersion

CHAMPION = "champion"

MAIN_METRICS: Mapping[str, bool] = MappingProxyType(
    {
        "f1": True,
        "auc": True,
        "roc_auc": True,
        "accuracy": True,
        "ndcg": True,
        "r2": True,
        "rmse": False,
        "mae": False,
        "mape": False,
        "loss": False,
    }
)
"""The main metrics: the first one that the versions have is shown. The value is true if more is better."""


def main_metric(versions: Sequence[ModelVersion]) -> str:
    """The name of the metric by which these versions are compared; "": they have no metric.

    Names are matched with or without a prefix, as in ``val_f1`` and ``test/rmse``.
    """
    names = sorted({name for version in versions for name in version.metrics})
    for wanted in MAIN_METRICS:
        found = next((name for name in names if _is(name, wanted)), None)
        if found is not None:
            return found
    return names[0] if names else ""


def _is(name: str, wanted: str) -> bool:
    plain = name.lower()
    return plain == wanted or plain.endswith(("_" + wanted, "/" + wanted, "." + wanted, "-" + wanted))


def more_is_better(name: str) -> bool | None:
    """Whether more of that metric is better; ``None``: not known."""
    return next((better for wanted, better in MAIN_METRICS.items() if _is(name, wanted)), None)


def registry(view: View, selected: EndpointView | None, look: Look, width: int) -> Content:
    """The versions of the selected endpoint's models."""
    statuses = source_status.of_kind(view, "registries")
    if selected is None:
        return Content(
            "REGISTRY", Text(), source_status.why_empty(statuses, "versions", "no endpoint selected", look, width)
        )
    models = list(dict.fromkeys(one.variant.model.model for one in selected.variants if one.variant.model))
    versions = [version for version in view.versions if version.ref.model in models]
    lines = source_status.notes(statuses, view.at, look, width)
    if not versions:
        named = ", ".join(models)
        nothing = f"no version of {named} was read" if models else "the variants name no model"
        lines += source_status.why_empty(statuses, "versions", nothing, look, width)
    else:
        rows = version_lines(versions, selected, view.at, look, width)
        lines += rows if source_status.fresh(statuses) else source_status.aged(rows, look)
    metrics = dict.fromkeys(main_metric([one for one in versions if one.ref.model == model]) for model in models)
    about = f" {look.symbols.dot} ".join([", ".join(models), *(metric for metric in metrics if metric)])
    return Content("REGISTRY", look.text((about, "muted")), lines)


def pane(view: View, selected: EndpointView | None, look: Look, width: int, height: int) -> Content:
    """The pane of the main screen."""
    return registry(view, selected, look, width)


def depends(view: View, selected: EndpointView | None) -> object:
    """All values that the pane depends on."""
    ref = selected.ref if selected else None
    variants = [one.variant for one in selected.variants] if selected else []
    models = tuple((one.name, one.role, one.model) for one in variants)
    return ref, models, view.versions, int(view.at / 60.0), source_status.states(view, "registries")


def version_lines(
    versions: Sequence[ModelVersion], selected: EndpointView, now: float, look: Look, width: int
) -> list[Text]:
    """A row for each version: aliases, the main metric and how it differs from the champion's, age and author."""
    styles = traffic_bar.variant_styles([one.variant for one in selected.variants], look)
    deployed = {one.variant.model: styles[one.name] for one in selected.variants if one.variant.model}
    several = len({version.ref.model for version in versions}) > 1
    rows = []
    for model in dict.fromkeys(version.ref.model for version in versions):
        own = [version for version in versions if version.ref.model == model]
        metric = main_metric(own)
        champion = next((version for version in own if CHAMPION in version.aliases), None)
        for version in own:
            shown = f"v{version.ref.version}" if version.ref.version.isdigit() else version.ref.version
            rows.append(
                (
                    look.text((f"{model} " if several else "", "muted"), (shown, deployed.get(version.ref, "text"))),
                    look.text((" ".join(f"@{alias}" for alias in version.aliases), "text")),
                    _metric(version, metric, look),
                    _against(version, champion, metric, look),
                    look.text((age(now - version.created) if version.created is not None else "", "muted")),
                    look.text((version.author, "muted")),
                    look.text((_standing(version), "warning")),
                )
            )
    columns = (
        Column(),
        Column(rank=2),
        Column(right=True),
        Column(rank=1),
        Column(right=True, rank=3),
        Column(rank=4),
        Column(rank=5),
    )
    return grid(columns, rows, width, look)


def _standing(version: ModelVersion) -> str:
    """What is the matter with a version, "": nothing."""
    return version.absent or (version.status.lower() if version.status not in ("", "READY") else "")


def figure(value: float) -> str:
    """A model's metric as text: ".941" below 1, "2.31" above, "∞" where it is no finite number."""
    if not_finite := endless(value):
        return not_finite
    text = f"{abs(value):.3g}" if abs(value) >= 1 else f"{abs(value):.3f}".removeprefix("0")
    return f"-{text}" if value < 0 else text


def _metric(version: ModelVersion, metric: str, look: Look) -> Text:
    value = version.metrics.get(metric)
    return look.text() if value is None else look.text(figure(value))


def _against(version: ModelVersion, champion: ModelVersion | None, metric: str, look: Look) -> Text:
    """How the metric differs from the champion's."""
    if champion is None or version is champion:
        return look.text()
    value, reference = version.metrics.get(metric), champion.metrics.get(metric)
    if known(value) is None or known(reference) is None or value is None or reference is None:
        return look.text()
    difference = value - reference
    if f"{abs(difference):.3f}" == "0.000" and abs(difference) < 0.0005:
        return look.text(("=", "muted"))
    better = more_is_better(metric)
    style = "muted" if better is None else "ok" if (difference > 0) is better else "warning"
    symbol = look.symbols.up if difference > 0 else look.symbols.down
    return look.text((f"{symbol}{figure(abs(difference))}", style))
