"""Stamps and clock domains. A domain is one monotonic clock: a kernel boot and its time-namespace offsets.

Two processes whose `identity` is equal read the same clock, so that the offset between them is 0 with error 0; all
nodes of a kind cluster and its host do. Elsewhere an offset is exchanged and carries half its round trip as error.
"""

import time
from pathlib import Path

from chaos.model import Event

HOST, AGENT = "host", "agent"
"""Names of the two domains that every trial has; a node's is `node/<name>`."""


def mono_ns() -> int:
    return time.monotonic_ns()


def wall_ns() -> int:
    return time.time_ns()


def node_domain(node: str) -> str:
    return f"node/{node}"


def identity() -> dict[str, str]:
    """What tells this process's monotonic clock from another: equal dictionaries are one clock."""
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    offsets = Path("/proc/self/timens_offsets")
    return {"boot_id": boot_id, "timens": " ".join(offsets.read_text().split()) if offsets.exists() else ""}


def reading() -> dict[str, int]:
    """A (monotonic, wall) pair, taken as close together as Python can."""
    return {"mono_ns": mono_ns(), "wall_ns": wall_ns()}


def domain_event(domain: str) -> Event:
    return Event(kind="clock.domain", domain=domain, at_ns=mono_ns(), fields={**identity(), **reading()})


def pair_event(domain: str) -> Event:
    """Written once a second by every process that stamps, so that wall-clock log lines can be placed."""
    pair = reading()
    return Event(kind="clock.pair", domain=domain, at_ns=pair["mono_ns"], fields={"wall_ns": pair["wall_ns"]})


def offset_event(domain: str, sent_ns: int, theirs_ns: int, received_ns: int) -> Event:
    """The other clock minus ours by Cristian's method: the middle of the round trip, ± half of it."""
    fields = {"of": domain, "offset_ns": theirs_ns - (sent_ns + received_ns) // 2}
    error = {"error_ns": (received_ns - sent_ns + 1) // 2}
    return Event(kind="clock.offset", domain=HOST, at_ns=received_ns, since_ns=sent_ns, fields=fields | error)
