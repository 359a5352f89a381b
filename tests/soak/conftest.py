"""The API server that samples share with contract tests of the same worker."""

from __future__ import annotations

from tests.kube.apiserver import apiserver

__all__ = ["apiserver"]
