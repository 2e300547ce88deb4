"""Time stamps and clock domains. A domain is one monotonic clock: a kernel's boot and the offsets of a time namespace.

Processes with equal `identity` read the same clock: their offset is exactly 0. So do all nodes of a kind cluster and
their host. Otherwise the offset is measured, with half the round trip as its error.
"""

import time
from pathlib import Path

HOST, AGENT = "host", "agent"
"""The names of the two domains that every trial has. A node's domain is `node/<name>`."""


def mono_ns() -> int:
    return time.monotonic_ns()


def asleep_ns() -> int:
    """Return how long this machine has been suspended since its boot. The monotonic clock leaves this out."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) - mono_ns()


def wall_ns() -> int:
    return time.time_ns()


def kubelet_stamp() -> str:
    """Return the present wall clock time in the kubelet's log format: RFC 3339 in UTC, with nanoseconds."""
    seconds, rest_ns = divmod(wall_ns(), 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest_ns:09}Z"


def node_domain(node: str) -> str:
    return f"node/{node}"


def identity() -> dict[str, str]:
    """Return what identifies this process's monotonic clock. Processes with equal results read the same clock."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    offsets = Path("/proc/self/timens_offsets")
    return {"boot_id": boot_id, "timens": " ".join(offsets.read_text().split()) if offsets.exists() else ""}


def reading() -> dict[str, int]:
    """Return the monotonic and the wall clock, read as close together as Python can."""
    return {"mono_ns": mono_ns(), "wall_ns": wall_ns()}
