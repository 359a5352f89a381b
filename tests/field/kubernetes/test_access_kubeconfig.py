"""Kubeconfigs as kubectl takes them: what it reads from them is what we read."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from backends.errors import BackendError, Unreachable
from backends.platforms.kubernetes.credentials import Identity, load
from backends.platforms.kubernetes.kubeconfig import merged
from tests.foreign import json_of

SERVER = "https://127.0.0.1:6443"
ANY = json_of("name", "cluster", "user", "context", "server", "token", "tokenFile", "exec", "command", "a")


def config(name: str, *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": SERVER, **(cluster or {})}}],
        "users": [{"name": name, "user": user or {"token": "t"}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }


def written(path: Path, told: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(told))
    return path


def loaded(*files: Path, monkeypatch: pytest.MonkeyPatch, context: str = "") -> Identity:
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, files)))
    return load(None, context, "")


def sent(identity: Identity) -> str:
    return str(identity.configuration.get_api_key_with_prefix("BearerToken", alias="authorization"))


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another folder than those of the kubeconfigs."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)


@pytest.mark.usefixtures("elsewhere")
def test_paths_are_relative_to_the_file_in_which_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kubernetes/kubernetes, clientcmd's loader: also with several files, the user's paths by the user's file."""
    for name in ("one/sub/ca.crt", "two/me.crt", "two/me.key"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a certificate")
    told = config("a", cluster={"certificate-authority": "sub/ca.crt"})
    users = {"users": [{"name": "a", "user": {"client-certificate": "me.crt", "client-key": "me.key"}}]}
    one, two = written(tmp_path / "one/config", {**told, "users": []}), written(tmp_path / "two/config", users)
    found = loaded(one, two, monkeypatch=monkeypatch).configuration
    assert found.ssl_ca_cert == str(tmp_path / "one/sub/ca.crt")
    assert (found.cert_file, found.key_file) == (str(tmp_path / "two/me.crt"), str(tmp_path / "two/me.key"))


@pytest.mark.usefixtures("elsewhere")
def test_a_plug_in_beside_the_kubeconfig_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = tmp_path / "login.sh"
    plugin.write_text('#!/bin/sh\necho \'{"status": {"token": "from-the-plug-in"}}\'\n')
    plugin.chmod(0o700)
    path = written(tmp_path / "config", config("a", user={"exec": {"command": "./login.sh", "apiVersion": "v1"}}))
    assert sent(loaded(path, monkeypatch=monkeypatch)) == "Bearer from-the-plug-in"


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("content", ["abc\n", "abc\r\n", "  abc  \n\n", "abc"])
@pytest.mark.parametrize("beside", [{}, {"token": "an older one"}, {"token": ""}], ids=["alone", "beside", "empty"])
def test_a_token_file_ends_as_editors_and_kubelets_write_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, beside: dict[str, str]
) -> None:
    """kubernetes/kubernetes, transport/token_source: white space is trimmed, and the file goes before the token."""
    (tmp_path / "token").write_text(content)
    path = written(tmp_path / "config", config("a", user={"tokenFile": "token", **beside}))
    assert sent(loaded(path, monkeypatch=monkeypatch)) == "Bearer abc"


def test_a_token_file_that_is_gone_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "config", config("a", user={"tokenFile": "gone"}))
    with pytest.raises(Unreachable, match=f"token file {tmp_path}/gone cannot be read"):
        loaded(path, monkeypatch=monkeypatch)
    beside = written(tmp_path / "config", config("a", user={"tokenFile": "gone", "token": "abc"}))
    assert sent(loaded(beside, monkeypatch=monkeypatch)) == "Bearer abc"


def test_the_token_file_of_another_user_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = config("a")
    told["users"].append({"name": "b", "user": {"tokenFile": "gone"}})
    assert sent(loaded(written(tmp_path / "config", told), monkeypatch=monkeypatch)) == "Bearer t"


@pytest.mark.parametrize("other", [None, {}, {"contexts": None, "users": None}], ids=["empty", "{}", "null"])
@pytest.mark.parametrize("first", [True, False])
def test_an_empty_file_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: object, first: bool) -> None:
    """kubernetes-client/python-base 183."""
    path, empty = written(tmp_path / "config", config("a")), tmp_path / "empty"
    empty.write_text("" if other is None else yaml.safe_dump(other))
    files = (empty, path) if first else (path, empty)
    assert sent(loaded(*files, monkeypatch=monkeypatch)) == "Bearer t"


def test_the_first_file_that_has_a_name_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """kubernetes-client/python 2180: else a rollback that was meant for one cluster is sent to the other."""
    one = written(tmp_path / "a", config("c", cluster={"server": "https://staging.test"}, user={"token": "t-a"}))
    two = written(tmp_path / "b", config("c", cluster={"server": "https://prod.test"}, user={"token": "t-b"}))
    found = loaded(one, two, monkeypatch=monkeypatch)
    assert (found.configuration.host, sent(found)) == ("https://staging.test", "Bearer t-a")


def test_a_context_that_is_not_there_is_told_with_those_that_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path / "config", {**config("prod"), "current-context": ""})
    with pytest.raises(Unreachable, match="has no current context") as none:
        loaded(path, monkeypatch=monkeypatch)
    assert 'set context = "NAME" for this source: it has prod' in none.value.hint
    with pytest.raises(Unreachable, match="has no context 'staging'") as wrong:
        loaded(path, monkeypatch=monkeypatch, context="staging")
    assert wrong.value.hint == "it has prod"


@given(st.dictionaries(st.sampled_from(["clusters", "users", "contexts", "current-context"]), ANY))
def test_whatever_stands_in_a_kubeconfig_raises_no_other_error(
    tmp_path_factory: pytest.TempPathFactory, told: dict[str, Any]
) -> None:
    path = written(tmp_path_factory.getbasetemp() / "any/config", {**config("a"), **told})
    assert set(merged([path])) == {"current-context", "clusters", "users", "contexts"}
    with suppress(BackendError):
        load(path, "", "")
