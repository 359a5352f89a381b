"""Texts of the driver that are not UTF-8: wookayin/gpustat #170, XuehaiPan/nvitop #127, gpuopenanalytics/pynvml #53."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from backends.accelerators.nvml_process import Nvml

FAKE = Path(__file__).parents[2] / "contract/fakes/nvml/pynvml.py"


@pytest.fixture
def pynvml(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("pynvml", FAKE)
    assert spec is not None
    assert spec.loader is not None
    library = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(library)
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return library


@pytest.mark.parametrize(
    ("call", "field", "value"),
    [
        ("nvmlDeviceGetName", "model", ""),
        ("nvmlDeviceGetUUID", "uuid", ""),
        ("nvmlSystemGetProcessName", "processes", None),
        ("nvmlDeviceGetPciInfo", "lost", False),
    ],
)
def test_a_text_that_is_no_text_takes_only_itself(
    pynvml: ModuleType, monkeypatch: pytest.MonkeyPatch, call: str, field: str, value: object
) -> None:
    right = Nvml().gpus()
    read = getattr(pynvml, call)

    def undecodable(handle: int) -> object:
        return b"\xf8\x95\xa0".decode() if call == "nvmlSystemGetProcessName" or handle == 0 else read(handle)

    monkeypatch.setattr(pynvml, call, undecodable)
    found = Nvml().gpus()
    assert len(found) == len(right)
    assert found[-1] == right[-1] or call == "nvmlSystemGetProcessName", "the other device is untouched"
    if value is not None:
        assert {found[0][field]} == {value} or right[0]["index"] != 0
    kept = ("utilisation", "memory_used", "temperature", "ecc", "lost")
    assert [[one[name] for name in kept] for one in found] == [[one[name] for name in kept] for one in right]
