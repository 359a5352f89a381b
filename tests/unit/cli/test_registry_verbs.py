"""``shiftdeck tag``, ``stage`` and ``alias``."""

from __future__ import annotations

from shiftdeck.config.loader import Access
from tests.fakes import FakeRegistry
from tests.unit.cli_world import Shell, shell

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
