"""The fault of a GPU in one sentence: from NVIDIA's XID error codes (https://docs.nvidia.com/deploy/xid-errors/), and
from memory rows that cannot be remapped (https://docs.nvidia.com/deploy/a100-gpu-mem-error-mgmt/)."""

from __future__ import annotations

from collections.abc import Mapping

MEANINGS: Mapping[int, str] = {
    13: "graphics engine exception (mostly the application's fault)",
    31: "memory page fault (mostly the application's fault)",
    43: "the GPU stopped processing (a fault of the application)",
    45: "the application was ended after an earlier error",
    48: "double-bit ECC error",
    63: "a memory row was remapped: reset the GPU when it is drained",
    64: "a memory row could not be remapped: replace the GPU if a reset does not help",
    74: "NVLink error",
    79: "the GPU has fallen off the bus: drain the node",
    92: "many single-bit ECC errors",
    94: "contained ECC error: restart the application",
    95: "uncontained ECC error: drain the node and reset the GPU",
    119: "the GPU's system processor (GSP) does not answer",
    120: "error in the GPU's system processor (GSP)",
}


FELL_OFF = 79

LASTING = frozenset({48, 64, 74, 79, 92, 95, 119, 120})
"""Codes after which a device stays unfit until somebody resets or replaces it."""


def fault(xid: int | None, *, remap_failed: bool = False) -> str:
    """One sentence about the last XID error, or else about a row that could not be remapped; "" if there is neither."""
    if not xid:
        return f"remapping failed: {MEANINGS[64]}" if remap_failed else ""
    meaning = MEANINGS.get(xid)
    return f"XID {xid}: {meaning}" if meaning else f"XID {xid}"
