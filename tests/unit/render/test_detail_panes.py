"""The panes of one endpoint, and the journal. Nothing is blank, nothing old looks new."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.contracts import Direction, Gpu, GpuProcess, ModelRef, ModelVersion, Subject
from shiftdeck.changes.run import Outcome, OutcomeKind
from shiftdeck.engine.view import View
from shiftdeck.journal.journal import Entry, EntryKind
from shiftdeck.sources.source import SourceState
from tests.fakes import FakeWorld
from tests.unit.builders import score
from tests.unit.panes import FULL, PLAIN, fleet, one, running, style_at, text
from tui.render import drift, gpu, journal, registry, traffic
from tui.render.content import Content
from tui.render.theme import Look

WIDTHS = (36, 44, 60, 80, 120, 200)


def shown(content: Content) -> str:
    return f"{content.title} {content.subtitle.plain}\n{text(content.lines)}"


def traffic_of(view: View, name: str = "sentiment", width: int = 80, height: int = 20, look: Look = FULL) -> str:
    return shown(traffic.traffic(view, one(view, name), look, width, height))


# ── all of them ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("look", [FULL, PLAIN])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["sentiment", "fraud", "ranker", "eta"])
def test_every_pane_fits_its_width(name: str, width: int, look: Look) -> None:
    world = FakeWorld()
    world.make_night()
    view = replace(fleet(world), runs=(running(world, {"v7": 75.0, "v8": 25.0}),), journal=entries())
    selected = one(view, name)
    contents = [
        traffic.traffic(view, selected, look, width, 6),
        registry.registry(view, selected, look, width),
        drift.drift(view, selected, look, width),
        gpu.gpu(view, selected, look, width),
        journal.journal(view, look, width),
    ]
    for content in contents:
        assert content.lines
        assert all(line.cell_len <= width for line in content.lines), content.title
        if look is PLAIN:
            # The degree sign and typographic dashes of figures are in every encoding that people still use.
            assert set(shown(content)) - set(map(chr, range(128))) <= set("°–…"), content.title


@pytest.mark.parametrize(
    ("source", "make"),
    [
        ("gateway", lambda view: traffic.traffic(view, one(view), FULL, 90, 20)),
        ("lab", lambda view: traffic.traffic(view, one(view), FULL, 90, 20)),
        ("mlflow", lambda view: registry.registry(view, one(view), FULL, 90)),
        ("psi", lambda view: drift.drift(view, one(view), FULL, 90)),
        ("dcgm", lambda view: gpu.gpu(view, one(view), FULL, 90)),
    ],
)
def test_a_source_in_trouble_is_named_and_its_data_greyed(source: str, make: object) -> None:
    content = make(fleet(FakeWorld(), **{source: SourceState.UNREACHABLE}))  # type: ignore[operator]
    assert f"✖ {source} unreachable 1m – showing data from 03:13:22Z" in shown(content)
    if source != "gateway":  # of which only the figures are old
        assert style_at(content.lines[-1], content.lines[-1].plain.strip()[:3]) >= {"muted"}
    else:
        assert "muted" in style_at(content.lines[-1], "132 ms")


@pytest.mark.parametrize(
    "make",
    [
        lambda view: traffic.traffic(view, None, FULL, 60, 9),
        lambda view: registry.registry(view, None, FULL, 60),
        lambda view: drift.drift(view, None, FULL, 60),
        lambda view: gpu.gpu(view, None, FULL, 60),
        lambda view: journal.journal(view, FULL, 60),
    ],
)
def test_before_the_first_data_every_pane_says_what_it_waits_for(make: object) -> None:
    view = fleet(FakeWorld())
    starting = tuple(replace(status, state=SourceState.STARTING, at=None) for status in view.sources)
    empty = replace(view, endpoints=(), versions=(), gpus=(), drift=(), sources=starting)
    content = make(empty)  # type: ignore[operator]
    assert text(content.lines).strip()
    assert "reading" in text(content.lines) or "no change has been recorded" in text(content.lines)


# ── traffic ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_three_weights_stand_side_by_side_and_are_never_merged() -> None:
    world = FakeWorld()
    state = world.endpoint("sentiment")
    state.desired = {"v7": 75.0, "v8": 25.0}
    state.measured = {"v7": 88.0, "v8": 12.0}
    lines = traffic_of(fleet(world)).splitlines()
    canary = next(line for line in lines if line.startswith("v8"))
    assert canary.split()[:5] == ["v8", "canary", "25", "10", "12"]
    assert "desired" in lines[1]


def test_a_shadow_has_a_mirror_and_no_weight() -> None:
    shadow = next(line for line in traffic_of(fleet(FakeWorld()), "fraud").splitlines() if line.startswith("v13"))
    assert shadow.split()[:3] == ["v13", "shadow", "20"]


def test_a_variant_that_is_not_ready_stands_out() -> None:
    world = FakeWorld()
    world.endpoint("sentiment").ready["v8"] = 0
    view = fleet(world)
    content = traffic.traffic(view, one(view), FULL, 100, 20)
    assert "warning" in style_at(content.lines[-1], "0/1")


def test_a_change_is_seen_converging_in_a_large_pane_and_in_a_small_one() -> None:
    world = FakeWorld()
    run = running(world, {"v7": 75.0, "v8": 25.0}, shares={"v7": 89.0, "v8": 11.0})
    view = replace(fleet(world), runs=(run,))
    large = traffic_of(view, height=30)
    for words in ("SHIFT", "0:07", "desired", "25 %", "observed", "10 %", "measured", "11 %"):
        assert words in large
    small = traffic_of(view, height=6, width=44).splitlines()
    assert len(small) - 1 <= 6
    assert any("v8 " in line and "10→25 seen 11" in line for line in small)


def test_a_stalled_change_says_so() -> None:
    world = FakeWorld()
    view = replace(fleet(world), runs=(running(world, {"v7": 75.0, "v8": 25.0}, stalled=True),))
    assert "▲ stalled" in traffic_of(view)
    assert "▲ stalled" in traffic_of(view, height=5)


def test_the_last_outcome_stays() -> None:
    world = FakeWorld()
    outcome = Outcome(OutcomeKind.SETTLED, "in effect", True)
    view = replace(fleet(world), runs=(running(world, {"v7": 75.0, "v8": 25.0}, outcome=outcome),))
    assert "✔ shift v7=75 v8=25 on sentiment · settled 0s ago" in traffic_of(view)
    assert "in effect" in traffic_of(view)


def test_an_owner_that_would_revert_a_change_is_named() -> None:
    world = FakeWorld()
    world.endpoint("sentiment").owner = "argocd"
    assert "owned by argocd" in traffic_of(fleet(world))


# ── registry ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_versions_with_aliases_and_the_difference_to_the_champion() -> None:
    view = fleet(FakeWorld())
    content = registry.registry(view, one(view), FULL, 60)
    assert content.subtitle.plain == "sentiment-classifier · f1"
    assert content.lines[0].plain.split() == ["v8", "@challenger", ".941", "▲.006", "1d", "kofi"]
    assert content.lines[1].plain.split()[:3] == ["v7", "@champion", ".935"]
    assert "canary" in style_at(content.lines[0], "v8")
    assert "stable" in style_at(content.lines[1], "v7")
    assert "ok" in style_at(content.lines[0], "▲.006")


def test_less_of_an_error_measure_is_better() -> None:
    def version(number: str, aliases: tuple[str, ...], rmse: float) -> ModelVersion:
        ref = ModelRef("sentiment-classifier", number)
        return ModelVersion(ref, aliases, metrics={"val_rmse": rmse, "epochs": 3.0})

    view = fleet(FakeWorld())
    versions = (version("8", (), 2.1), version("7", ("champion",), 2.4))
    lines = registry.version_lines(versions, one(view), view.at, FULL, 60)
    assert "▼.300" in lines[0].plain
    assert "ok" in style_at(lines[0], "▼")
    assert registry.main_metric(versions) == "val_rmse"


def test_a_model_that_is_not_registered_is_said_to_be_missing() -> None:
    view = fleet(FakeWorld())
    content = registry.registry(replace(view, versions=()), one(view), FULL, 60)
    assert "no version of sentiment-classifier was read" in text(content.lines)


def test_no_registry_is_no_blank() -> None:
    view = fleet(FakeWorld())
    without = replace(view, versions=(), sources=tuple(s for s in view.sources if s.kind != "registries"))
    assert "no source of versions is configured" in text(registry.registry(without, one(view), FULL, 60).lines)


# ── drift ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_worst_feature_comes_first_with_its_threshold() -> None:
    world = FakeWorld()
    world.make_drift()
    view = fleet(world)
    content = drift.drift(view, one(view, "fraud"), FULL, 70)
    assert "amount" in content.lines[0].plain
    assert "0.31 > 0.25" in content.lines[0].plain
    assert "warning" in style_at(content.lines[0], "0.31")
    assert content.subtitle.plain.startswith("2 of 6 psi · 1h vs training 2026-")


def test_no_score_says_why_and_is_neither_good_nor_bad() -> None:
    scores = (score("few", None, note="n 48 of 200"), score("calm", 0.02), score("p", 0.001, direction=Direction.BELOW))
    lines = drift.score_lines(scores, FULL, 80)
    assert "p " in lines[0].plain  # a p-value below its threshold alarms
    assert "0.001 < 0.25" in lines[0].plain
    assert "few" in lines[1].plain
    assert "n 48 of 200" in lines[1].plain
    assert "0.00" not in lines[1].plain
    assert "muted" in style_at(lines[1], "–")


@pytest.mark.parametrize(
    ("number", "short"), [(0, "0"), (4812, "4,812"), (48_120, "48k"), (2_900_000, "2.9M"), (290_000_000, "290M")]
)
def test_sample_sizes_are_short(number: int, short: str) -> None:
    assert drift.short_count(number) == short


# ── devices ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_devices_of_the_endpoint_come_first_and_faults_are_red() -> None:
    world = FakeWorld()
    world.make_gpu_fault("eta")
    view = fleet(world)
    content = gpu.gpu(view, one(view, "eta"), FULL, 90)
    assert content.subtitle.plain == "1 of 6 · eta first · sim"
    assert content.lines[0].plain.startswith("node-c/1")
    assert "XID 79: fallen off the bus" in content.lines[0].plain
    assert "critical" in style_at(content.lines[0], "node-c/1")
    assert "XID 79" in gpu.gpu(view, one(view, "eta"), FULL, 36).lines[0].plain


def test_a_gpu_tells_what_wears_out_and_who_computes_there_where_there_is_room() -> None:
    busy = (GpuProcess(4711, "tritonserver", 40 * 2**30), GpuProcess(4712, ""))
    one = Gpu("node-a", "0", "GPU-1", "NVIDIA H100 80GB HBM3", ecc=2, remapped=3, processes=busy)
    line = gpu.gpu_lines((one,), 1, FULL, 120, 0.0)[0].plain
    assert "ecc 2 · 3 rows remapped · tritonserver 40G · 4712" in line


def test_who_shares_a_gpu_and_an_error_of_the_past_are_told() -> None:
    both = Subject("fraud", "v13"), Subject("sentiment", "v7")
    one = Gpu("node-a", "0", "GPU-1", "T4", xid=31, subject=both[0], shared_with=both[1:], xid_at=1000.0)
    line = gpu.gpu_lines((one, replace(one, xid_at=None)), 1, FULL, 160, 1000.0 + 3 * 86_400)
    assert "shared: fraud v13, sentiment v7 · last XID 31, 3d ago" in line[0].plain
    assert "last XID 31, when is not known" in line[1].plain


def test_what_a_driver_does_not_tell_is_a_dash_and_not_a_zero() -> None:
    line = gpu.gpu_lines((Gpu("node-a", "0", "GPU-1", "NVIDIA H100 80GB HBM3"),), 1, FULL, 80, 0.0)[0].plain
    assert line.count("–") == 3
    assert "0%" not in line


def test_no_devices_say_why() -> None:
    view = fleet(FakeWorld())
    off = tuple(
        replace(s, state=SourceState.OFF, error="no driver") if s.kind == "accelerators" else s for s in view.sources
    )
    assert "dcgm off: no driver" in text(gpu.gpu(replace(view, gpus=(), sources=off), one(view), FULL, 60).lines)
    assert "no GPU data" in text(gpu.gpu(replace(view, gpus=()), one(view), FULL, 60).lines)


def test_models_of_devices_are_short() -> None:
    assert gpu.short_model("NVIDIA A100-SXM4-80GB") == "A100"
    assert gpu.short_model("Tesla T4") == "T4"


# ── the journal ─────────────────────────────────────────────────────────────────────────────────────────────────


def entries() -> tuple[Entry, ...]:
    at = FakeWorld().clock()

    def entry(seq: int, kind: EntryKind, **data: object) -> Entry:
        return Entry(seq, at - 100.0 + seq, kind, "prod-eu", "lab:prod/sentiment", "ana", "host", data)

    return (
        entry(1, EntryKind.INTENT, change="shift v7=90 v8=10", reason="first step"),
        entry(2, EntryKind.SENT, intent=1),
        entry(3, EntryKind.OUTCOME, intent=1, outcome="settled", message="in effect", seconds=2.31),
        entry(4, EntryKind.INTENT, change="roll back to release 16"),
        entry(5, EntryKind.NOTE, change="shift v8=50", outcome="refused", message="blocked by p95"),
    )


def test_the_journal_is_newest_first_with_outcomes() -> None:
    view = replace(fleet(FakeWorld()), journal=entries())
    lines = [line.plain for line in journal.journal(view, FULL, 160).lines]
    assert len(lines) == 3
    assert "shift v8=50" in lines[0]
    assert "✖ refused" in lines[0]
    assert "? no outcome" in lines[1]
    assert lines[2].split()[:3] == ["03:12:43", "ana", "sentiment"]
    assert "✔ settled" in lines[2]
    assert "2.3 s" in lines[2]


def test_a_change_under_way_is_not_one_without_outcome() -> None:
    world = FakeWorld()
    run = replace(running(world, {"v7": 75.0, "v8": 25.0}), seq=4)
    view = replace(fleet(world), journal=entries(), runs=(run,))
    lines = text(journal.journal(view, FULL, 160).lines)
    assert "→ under way" in lines
    assert "no outcome" not in lines
