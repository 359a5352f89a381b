"""Fixtures that several contract tests share."""

from tests.kube.apiserver import apiserver
from tests.lab import lab, lab_at_rest

__all__ = ["apiserver", "lab", "lab_at_rest"]
