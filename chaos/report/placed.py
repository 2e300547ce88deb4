"""A recording on its trial's own axis: events and operations in seconds from t = 0, for the pictures and the tables.

The analysis judges from the intervals themselves; here a middle is enough, for nothing is decided from a picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from chaos.analysis.align import Clocks
from chaos.model import Event, Outcome
from chaos.record.layout import NOBODY
from chaos.record.reader import OpsFile, Recording, Rows

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Client:
    """A client of a header's table, with its operations and when each was due."""

    about: dict[str, Any]
    rows: Rows
    at_s: Floats

    @property
    def path(self) -> str:
        return f"{self.about['path']}/{self.about['connection']}"

    @property
    def meter(self) -> bool:
        return bool(self.about["kind"] == "meter")


class Placed:
    """`t0_ns` is the earliest edge of the first effect on the host's clock; None where no fault took effect."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.clocks = Clocks(recording.events)
        self.t0_ns = self._t0_ns()

    @property
    def deadline_us(self) -> float:
        return float(self.recording.manifest.get("deadline_s", 0.1)) * 1e6

    def events(self, *kinds: str) -> Iterator[tuple[float, Event]]:
        """Events of these kinds that can be placed, each with its latest edge, in the order of time."""
        found = [
            (self._place(event.domain, event.at_ns), event) for event in self.recording.events if event.kind in kinds
        ]
        known = [(at_s, event) for at_s, event in found if at_s is not None]
        yield from sorted(known, key=lambda item: item[0])

    @cached_property
    def clients(self) -> list[Client]:
        """Every client of every ops file that can be placed: the meters first, each in the order of its number."""
        found = [client for file in self.recording.ops for client in self._clients(file)]
        return sorted(found, key=lambda client: (not client.meter, client.about["number"]))

    @cached_property
    def final_node(self) -> int:
        """Who answered the meters' last good operation."""
        last = (0.0, NOBODY)
        for client in self.clients:
            good = np.flatnonzero((client.rows["outcome"] == Outcome.OK) & (client.rows["node"] != NOBODY))
            if client.meter and len(good):
                last = max(last, (float(client.at_s[good[-1]]), int(client.rows["node"][good[-1]])))
        return last[1]

    def names(self, kind: str) -> dict[int, str]:
        """Addresses by the index that rows use, of `node` or `target` events."""
        found = {NOBODY: "nobody"}
        for event in self.recording.events:
            if event.kind == kind:
                found[event.fields["index"]] = str(event.fields.get("address") or event.fields.get("run_id", "?"))
        return found

    def _t0_ns(self) -> int | None:
        effects = [event for event in self.recording.events if event.kind == "fault.effect"]
        edges = [self.clocks.place(event.domain, event.since_ns or event.at_ns) for event in effects]
        return min((edge[0] for edge in edges if edge is not None), default=None)

    def _place(self, domain: str, at_ns: int) -> float | None:
        placed = self.clocks.place(domain, at_ns)
        return None if placed is None or self.t0_ns is None else (sum(placed) / 2 - self.t0_ns) / 1e9

    def _clients(self, file: OpsFile) -> Iterator[Client]:
        domain, rows = file.header["domain"], file.rows
        start_s = self._place(domain, int(rows["intended_ns"][0])) if len(rows) else None
        if start_s is None:
            return
        at_s = start_s + (rows["intended_ns"] - rows["intended_ns"][0]) / 1e9
        for about in file.header["clients"]:
            mine = rows["client"] == about["number"]
            yield Client(about, rows[mine], at_s[mine])


def kinds(placed: Placed, client: Client, promoted_s: float | None) -> dict[str, Mask]:
    """Each operation in one of six kinds. `stray`: good, by another node than the final master, after the promotion."""
    rows, outcome = client.rows, client.rows["outcome"]
    ok = outcome == Outcome.OK
    late = ok & (rows["done_us"] > placed.deadline_us) & client.meter
    after = np.zeros(len(rows), bool) if promoted_s is None else client.at_s > promoted_s
    stray = ok & ~late & after & (rows["node"] != placed.final_node) & (rows["node"] != NOBODY)
    return {
        "good": ok & ~late & ~stray,
        "stray": stray,
        "failed": outcome == Outcome.FAILED,
        "unknown": (outcome == Outcome.UNKNOWN) | (outcome == Outcome.IN_FLIGHT),
        "late": late,
        "missed": outcome == Outcome.MISSED,
    }
