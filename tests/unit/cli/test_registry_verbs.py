"""``shiftdeck tag``, ``stage`` and ``alias``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from backends.errors import Unreachable
from shiftdeck.config.loader import Access, Gates, GatesConfig
from shiftdeck.journal.entry import EntryKind
from tests.fakes import FakeRegistry, fake_context
from tests.unit.cli_world import Said, Shell, shell

__all__ = ["shell"]

WHY = ("--reason", "INC-42", "--yes")
MODEL = "sentiment-classifier"


def test_an_alias_is_moved_journalled_and_told(shell: Shell) -> None:
    said = shell.type("alias", MODEL, "@live", "v8", *WHY)
    assert said.code == 0, said
    assert "settled" in said.out
    assert "same as" in said.out
    assert FakeRegistry(shell.world).alias(MODEL, "live") == "8"
    assert shell.journal()[0].data["change"] == f"alias live of {MODEL} to 8"


def test_tags_are_set_and_taken_away(shell: Shell) -> None:
    said = shell.type("tag", MODEL, "@champion", "scan=passed", "team=", "--json", *WHY)
    assert said.code == 0, said
    assert said.json["outcome"]["kind"] == "settled"
    tags = next(one.tags for one in shell.world.versions if str(one.ref) == f"{MODEL}/7")
    assert dict(tags) == {"scan": "passed"}
    assert said.json["seq"] == shell.journal()[0].seq


def test_a_stage_is_set_and_a_dry_run_sends_nothing(shell: Shell) -> None:
    said = shell.type("stage", MODEL, "8", "Production", "--dry-run")
    assert (said.code, "Production" in said.out, shell.journal()) == (0, True, ())
    assert shell.type("stage", MODEL, "8", "Production", *WHY).code == 0
    again = shell.type("stage", MODEL, "8", "Production", *WHY)
    assert "it is so already" in again.out


def test_nothing_is_sent_without_a_reason_or_the_right(shell: Shell) -> None:
    assert shell.type("tag", MODEL, "8", "scan=passed", "--yes").code == 2
    assert shell.type("tag", MODEL, "8", "scan", *WHY).code == 2
    shell.access(Access.READ_ONLY)
    said = shell.type("tag", MODEL, "8", "scan=passed", *WHY)
    assert said.code == 3
    assert shell.journal()[0].data["outcome"] == "refused"
    assert shell.type("tag", "nobody", "8", "scan=passed", *WHY).code == 2


# ── edits that deploy a version ─────────────────────────────────────────────────────────────────────────────────

SCANNED = Gates(tags={"scan": ("passed",)}, configured=True)


def gated(shell: Shell, gates: GatesConfig) -> None:
    shell.contexts = {"prod-eu": replace(fake_context(), gates=gates)}


def names(said: Said) -> dict[str, str]:
    return {check["name"]: check["verdict"] for check in said.json["plan"]["checks"]}


@pytest.mark.parametrize(
    "gates", [GatesConfig(SCANNED), GatesConfig(endpoints={"lab:prod/sentiment": SCANNED})], ids=["default", "endpoint"]
)
@pytest.mark.parametrize("edit", [("alias", MODEL, "champion", "8"), ("stage", MODEL, "8", "Production")])
def test_an_edit_that_deploys_a_version_needs_its_gates_or_an_override(
    shell: Shell, gates: GatesConfig, edit: tuple[str, ...]
) -> None:
    gated(shell, gates)
    said = shell.type(*edit, *WHY)
    assert said.code == 3, said
    assert "blocked by version 8 tag scan" in said.out
    assert "--override applies it all the same" in said.out
    assert FakeRegistry(shell.world).alias(MODEL, "champion") == "7"
    said = shell.type(*edit, "--override", "--json", *WHY)
    assert (said.code, names(said)["version 8 tag scan"]) == (0, "block"), said
    intent = next(one for one in shell.journal() if one.kind is EntryKind.INTENT)
    assert intent.data["override"] == "INC-42"


def test_a_dry_run_says_what_an_alias_deploys_and_that_it_would_be_refused(shell: Shell) -> None:
    gated(shell, GatesConfig(SCANNED))
    said = shell.type("alias", MODEL, "champion", "8", "--dry-run")
    assert said.code == 3, said
    assert "champion names" in said.out
    assert "7 → 8" in said.out
    assert "it would be refused: blocked by version 8 tag scan" in said.out


def test_the_way_back_of_an_alias_is_free_and_the_way_forward_again_is_not(shell: Shell) -> None:
    gated(shell, GatesConfig(SCANNED))
    assert shell.type("alias", MODEL, "champion", "8", "--override", *WHY).code == 0
    back = shell.type("alias", MODEL, "champion", "7", "--json", *WHY)
    assert (back.code, names(back)) == (0, {"champion names": "pass"}), back
    again = shell.type("alias", MODEL, "champion", "8", "--json", *WHY)
    assert again.code == 3, again
    assert names(again)["rolled back"] == "warn"


def test_a_version_whose_registration_failed_is_not_deployed(shell: Shell) -> None:
    shell.world.versions = [
        replace(one, status="FAILED_REGISTRATION") if one.ref.version == "8" else one for one in shell.world.versions
    ]
    said = shell.type("alias", MODEL, "champion", "8", "--yes", "--reason", "INC-42")
    assert (said.code, "blocked by registration" in said.out) == (3, True), said


def test_tags_have_no_checks(shell: Shell) -> None:
    gated(shell, GatesConfig(SCANNED))
    said = shell.type("tag", MODEL, "8", "team=nlp", "--json", *WHY)
    assert (said.code, said.json["plan"]["checks"]) == (0, []), said


def test_endpoints_that_were_never_read_block_if_they_may_have_gates(shell: Shell) -> None:
    gated(shell, GatesConfig(endpoints={"lab:prod/other": SCANNED}))
    assert shell.type("alias", MODEL, "champion", "8", "--dry-run").code == 0
    shell.world.fail["serving"] = Unreachable("no route")
    said = shell.type("alias", MODEL, "champion", "8", "--dry-run")
    assert (said.code, "blocked by endpoints" in said.out) == (3, True), said
