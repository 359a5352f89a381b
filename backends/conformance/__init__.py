"""The conformance kit: the laws that every serving adapter must keep, as a suite that its author runs with pytest.

::

    from backends.conformance import Sample, ServingConformance, wiring


    class TestAcme(ServingConformance):
        def adapter(self):
            return AcmeServing(wiring(AcmeServing, url="http://127.0.0.1:9"))

        def samples(self):
            return [Sample("two versions", endpoint_of(ANSWER))]

The laws are about ``compile``, ``progress`` and ``forecast``, which are pure: no server is needed. ``adapter`` makes
the adapter as the engine does; each ``Sample`` is an endpoint as the adapter reads it. Give many states of the system
as samples (one variant, a canary, a mirror, a change under way, a refused change): the kit tries all of them.
``Sample.taken`` and ``Sample.done`` give the state of the system after the calls; with them the kit tests when a change
is settled. ``Sample.server`` plays the system itself; with it the kit tries the fences of an adapter that implements
``Fences``.

A law that a system cannot keep is named in ``exceptions``, with the reason. An exception is strict: if the law holds
after all, the suite fails until the exception is removed.

The kit is part of the wheel, so that other distributions can import it (``tests`` is in the sdist only). The program
itself does not import it. It needs ``hypothesis`` and ``pytest``: ``pip install "shiftdeck[conformance]"``.
"""

from backends.conformance.inputs import SECRET, Sample, Server, wiring
from backends.conformance.serving import ServingConformance

__all__ = ["SECRET", "Sample", "Server", "ServingConformance", "wiring"]
