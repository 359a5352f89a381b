"""The settings of every serving source on Kubernetes."""

from __future__ import annotations

from backends.options import Options, flag, texts
from backends.options import text as line
from backends.platforms.kubernetes.cluster import Account
from backends.platforms.kubernetes.platform import ClusterOptions


class KubernetesOptions(Options):
    """The cluster, the objects to show, and whether a change leaves an Event and a Lease."""

    kubeconfig = ClusterOptions.kubeconfig
    context = ClusterOptions.context
    namespaces = texts("namespaces to read (default: all)", default=())
    selector = line("label selector of the endpoints' objects", default="")
    impersonate = ClusterOptions.impersonate
    page = ClusterOptions.page
    events = flag("write an Event on the object after a change", default=True)
    leases = flag("tell other operators by a Lease who is at work on an endpoint", default=False)

    @property
    def account(self) -> Account:
        """The account; sources with the same account share a ``Cluster``."""
        return Account(
            self.kubeconfig,
            self.context or "",
            self.impersonate or "",
            self.namespaces,
            max(1, int(self.page)),
            float(self.timeout_s),
        )
