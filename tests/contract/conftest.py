"""Fixtures that several contract tests share."""

from tests.kube.apiserver import apiserver

__all__ = ["apiserver"]
