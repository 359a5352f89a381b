"""Completion: from what was seen last, cheaply; and endpoints by the names that people type."""

from __future__ import annotations

import pytest
from click.shell_completion import ShellComplete
from hypothesis import given
from hypothesis import strategies as st

from backends.contracts import EndpointRef
from tests.unit.cli_world import Shell, shell
from tui.cli import endpoint_names
from tui.cli.main import cli

__all__ = ["shell"]

REFS = st.builds(
    EndpointRef,
    st.sampled_from(["lab", "kserve"]),
    st.sampled_from(["prod", "eu/prod", ""]),
    st.sampled_from("abc"),
)


def completions(args: list[str], incomplete: str) -> list[str]:
    found = ShellComplete(cli, {}, "shiftdeck", "_SHIFTDECK_COMPLETE").get_completions(args, incomplete)
    return [item.value for item in found]


def test_endpoints_that_status_saw_are_completed(shell: Shell) -> None:
    assert completions(["shift"], "se") == [], "nothing was seen yet"
    shell.type("status")
    assert completions(["shift"], "se") == ["sentiment"]
    assert completions(["open"], "prod/s") == ["prod/sentiment"]
    assert completions(["promote"], "lab:prod/s") == ["lab:prod/sentiment"]
    assert completions(["promote", "sentiment"], "v") == ["v7", "v8"]
    assert completions(["--context", "elsewhere", "shift"], "se") == []


def test_verbs_are_completed() -> None:
    assert completions([], "ro") == ["rollback"]


def test_a_broken_cache_completes_nothing(shell: Shell) -> None:
    shell.type("status")
    for broken in ("{", "[]", '{"prod-eu": {"lab:prod/sentiment": 7, "x": []}}', '{"prod-eu": 3}'):
        endpoint_names.cache_file().write_text(broken)
        assert set(completions(["shift"], "s")) <= {"sentiment"}


def test_a_cache_that_cannot_be_written_is_no_trouble(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    assert shell.type("status").code == 0


@given(st.sets(REFS, min_size=1), st.data())
def test_a_name_means_the_endpoint_that_it_was_made_from_or_is_refused(
    known: set[EndpointRef], data: st.DataObject
) -> None:
    ref = data.draw(st.sampled_from(sorted(known)))
    for text in endpoint_names.forms(ref):
        same = [other for other in known if text in endpoint_names.forms(other)]
        if same == [ref]:
            assert endpoint_names.resolve(text, known) == ref
    assert endpoint_names.resolve(str(ref), known) == ref


def test_an_ambiguous_name_lists_its_meanings() -> None:
    known = [EndpointRef("lab", "prod", "a"), EndpointRef("lab", "staging", "a")]
    with pytest.raises(endpoint_names.NotAnEndpoint, match=r"lab:prod/a, lab:staging/a"):
        endpoint_names.resolve("a", known)
    assert endpoint_names.resolve("staging/a", known) == known[1]
