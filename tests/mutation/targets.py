"""The modules that are mutated, and the tests that are to notice: those nearest to the module first."""

from __future__ import annotations

from collections.abc import Mapping

_RECORDS = "tests/unit/test_records.py"
_CHANGES = (
    "tests/unit/changes",
    "tests/unit/engine/test_engine_changes.py",
    "tests/unit/cli/test_traffic.py",
    "tests/unit/cli/test_registry_verbs.py",
    _RECORDS,
)
_HEALTH = ("tests/unit/health", "tests/unit/fleet", "tests/unit/changes/test_checks.py", _RECORDS)
_JOURNAL = (
    "tests/unit/journal",
    "tests/contract/test_journal_files.py",
    "tests/contract/test_journal_edges.py",
    "tests/unit/cli/test_journal_verb.py",
    _RECORDS,
)
_ROLLOUTS = (
    "tests/unit/serving/test_kube_rollout_changes.py",
    "tests/unit/serving/test_kube_rollouts.py",
    "tests/unit/serving/test_kube_rollout_progress.py",
    "tests/unit/changes/test_kube_last_good.py",
    "tests/unit/serving/test_kube_foreign.py",
)
_SPLITS = (
    "tests/unit/serving/test_split.py",
    "tests/unit/serving/test_kube_gateway.py",
    "tests/unit/serving/test_kube_istio.py",
    "tests/unit/serving/test_kube_seldon.py",
    "tests/unit/serving/test_kube_knative.py",
)

TARGETS: Mapping[str, tuple[str, ...]] = {
    "shiftdeck/changes/planner.py": ("tests/unit/changes/test_planner.py", *_CHANGES),
    "shiftdeck/changes/checks.py": (
        "tests/unit/changes/test_checks.py",
        "tests/unit/fleet/test_drift_joined.py",
        "tests/unit/fleet/test_image_tag.py",
        *_CHANGES,
    ),
    "shiftdeck/changes/executor.py": (
        "tests/unit/changes/test_executor.py",
        "tests/unit/changes/test_executor_lost_answers.py",
        "tests/unit/changes/test_one_at_a_time.py",
        *_CHANGES,
    ),
    "shiftdeck/changes/traffic.py": (
        "tests/unit/changes/test_executor.py",
        "tests/unit/changes/test_executor_lost_answers.py",
        "tests/unit/changes/test_recovery.py",
        *_CHANGES,
    ),
    "shiftdeck/changes/recovery.py": ("tests/unit/changes/test_recovery.py", *_CHANGES),
    "shiftdeck/changes/lost_answer.py": (
        "tests/unit/changes/test_lost_answers.py",
        "tests/unit/changes/test_executor_lost_answers.py",
        *_CHANGES,
    ),
    "shiftdeck/changes/traffic_judgement.py": ("tests/unit/changes/test_recovery.py", *_CHANGES),
    "shiftdeck/changes/traffic_observation.py": ("tests/unit/changes/test_executor.py", *_CHANGES),
    "shiftdeck/changes/reopening.py": ("tests/unit/changes/test_reopening.py", *_CHANGES),
    "shiftdeck/changes/time_known.py": ("tests/unit/changes/test_unfinished_on_the_way.py", *_CHANGES),
    "shiftdeck/changes/proposal.py": ("tests/unit/changes/test_checks.py", *_CHANGES),
    "shiftdeck/changes/way_back.py": ("tests/unit/changes/test_way_back.py", *_CHANGES),
    "shiftdeck/changes/release_memory.py": ("tests/unit/changes/test_way_back.py", *_CHANGES),
    "shiftdeck/changes/promotion_gates.py": ("tests/unit/changes/test_promotion_gates.py", *_CHANGES),
    "shiftdeck/health/judge.py": ("tests/unit/health/test_judge.py", *_HEALTH),
    "shiftdeck/health/statistics.py": ("tests/unit/health/test_statistics.py", *_HEALTH),
    "shiftdeck/fleet/joiner.py": ("tests/unit/fleet/test_fleet.py", "tests/unit/fleet", _RECORDS),
    "shiftdeck/journal/entry.py": _JOURNAL,
    "shiftdeck/journal/journal.py": _JOURNAL,
    "shiftdeck/journal/locks.py": _JOURNAL,
    "shiftdeck/journal/report.py": _JOURNAL,
    "shiftdeck/journal/storage.py": _JOURNAL,
    "shiftdeck/journal/verify.py": _JOURNAL,
    "shiftdeck/journal/writer.py": _JOURNAL,
    "backends/serving/split.py": _SPLITS,
    "backends/serving/rollout_actions.py": _ROLLOUTS,
    "backends/serving/rollout_forecast.py": _ROLLOUTS,
    "backends/serving/rollout_progress.py": _ROLLOUTS,
    "backends/serving/kserve_knative.py": ("tests/unit/serving/test_kube_kserve_knative.py",),
    "backends/serving/haproxy_weights.py": ("tests/unit/serving/test_haproxy.py",),
    "backends/registries/mlflow_calls.py": ("tests/unit/registries", _RECORDS),
    "backends/registries/mlflow_look.py": ("tests/unit/registries", _RECORDS),
}
