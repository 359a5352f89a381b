"""The settings of a cluster: in ``[contexts.CONTEXT.platforms.NAME]`` for all sources on it, or in each source."""

from __future__ import annotations

from typing import ClassVar

from backends.options import Options, number, path, text

DEFAULT_PAGE = 200.0


class ClusterOptions(Options, platform="kubernetes"):
    """The cluster, the user to act as, and the page size of lists."""

    kubeconfig = path("kubeconfig file (default: $KUBECONFIG, ~/.kube/config, in-cluster)")
    context = text("context of the kubeconfig (default: its current one)")
    impersonate = text("user to act as, if you may")
    page = number("objects per page of a list", default=DEFAULT_PAGE)


class KubernetesPlatform:
    """A cluster. Sources with the same settings share its connections and watches (``cluster.acquire``)."""

    OPTIONS: ClassVar[type[Options]] = ClusterOptions
