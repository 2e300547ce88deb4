"""Places stamps of other clocks on the host's clock. Every stamp becomes an interval that includes its error.

Two clock domains with equal identities are one clock, and the error is 0. Otherwise a stamp is bounded by the clock
offsets that were exchanged before and after it, each with half its round trip as its error. A log line carries a
wall-clock time, which is placed by the pairs of a monotonic and a wall time around it. A stamp that cannot be placed
becomes None, and whatever depends on it is undecided.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from chaos.clock import HOST
from chaos.record.events import ClockDomain, ClockOffset, ClockPair, Event, Stamped

Nanoseconds = tuple[int, int]
"""An interval on the host's monotonic clock: its earliest and its latest time, in nanoseconds."""

_Column = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Offset:
    """One exchange: at `at_ns` the domain's clock minus the host's was between `least_ns` and `most_ns`."""

    at_ns: int
    least_ns: int
    most_ns: int


class Clocks:
    """The clock domains of one trial."""

    def __init__(self, events: Iterable[Stamped[Event]]) -> None:
        self._identities: dict[str, tuple[str, str]] = {}
        self.claimed: set[str] = set()
        """The domains that two writers use although their clocks differ, because one clock was moved."""
        self._offsets: dict[str, list[Offset]] = {}
        pairs: dict[str, list[tuple[int, int]]] = {}
        for stamped in events:
            event, domain = stamped.event, stamped.domain
            if isinstance(event, ClockDomain):
                identity = (event.boot_id, event.timens)
                if self._identities.setdefault(domain, identity) != identity:
                    self.claimed.add(domain)
                pairs.setdefault(domain, []).append((event.mono_ns, event.wall_ns))
            elif isinstance(event, ClockPair):
                pairs.setdefault(domain, []).append((stamped.at_ns, event.wall_ns))
            elif isinstance(event, ClockOffset):
                least_ns, most_ns = event.offset_ns - event.error_ns, event.offset_ns + event.error_ns
                exchange = Offset(at_ns=stamped.at_ns, least_ns=least_ns, most_ns=most_ns)
                self._offsets.setdefault(event.of, []).append(exchange)
        self._pairs = {domain: self._on_host(domain, found) for domain, found in pairs.items()}

    def are_of(self, domain: str, header: dict[str, Any]) -> bool:
        """Return whether the clock of `domain` really stamped the file of operations that has this header."""
        theirs = (header.get("boot_id"), header.get("timens"))
        return self._identities.get(domain, theirs) == theirs

    @property
    def domains(self) -> list[str]:
        return sorted(self._identities)

    def same(self, domain: str) -> bool:
        """Return whether a domain is the host's own clock."""
        return domain == HOST or (domain in self._identities and self._identities[domain] == self._identities.get(HOST))

    def error_ns(self, domain: str) -> int | None:
        """Return the largest error of a domain's stamps, or None if they cannot be placed."""
        if self.same(domain):
            return 0
        offsets = self._offsets.get(domain)
        return max(offset.most_ns - offset.least_ns for offset in offsets) // 2 if offsets else None

    def place(self, domain: str, at_ns: int) -> Nanoseconds | None:
        """Return where a monotonic stamp of a domain lies on the host's clock, or None if it cannot be placed."""
        if self.same(domain):
            return at_ns, at_ns
        offsets = self._offsets.get(domain)
        if not offsets:
            return None
        before = [one for one in offsets if one.at_ns + one.least_ns <= at_ns]
        after = [one for one in offsets if one.at_ns + one.least_ns > at_ns]
        around = before[-1:] + after[:1]  # the clocks drift between two exchanges, so that both bound the stamp
        return at_ns - max(o.most_ns for o in around), at_ns - min(o.least_ns for o in around)

    def place_wall(self, domain: str, wall_ns: int) -> Nanoseconds | None:
        """Return where a wall-clock stamp of a domain lies on the host's clock, or None if it cannot be placed."""
        pairs = self._pairs.get(domain)
        if pairs is None or len(pairs[0]) < 2:
            pairs = self._pairs.get(HOST) if self.same(domain) else pairs
        if pairs is None:
            return None
        lows, highs, walls = pairs
        after = int(np.searchsorted(walls, wall_ns))
        around = [index for index in (after - 1, after) if 0 <= index < len(walls)]
        return (
            min(int(lows[i]) - int(walls[i]) for i in around) + wall_ns,
            max(int(highs[i]) - int(walls[i]) for i in around) + wall_ns,
        )

    def wall_ns(self, host_ns: int) -> int | None:
        """Return the host's wall-clock time at a time of its monotonic clock, or None if no pair was recorded."""
        pairs = self._pairs.get(HOST)
        if pairs is None:
            return None
        lows, _, walls = pairs
        nearest = int(np.argmin(np.abs(lows - host_ns)))
        return int(walls[nearest]) + host_ns - int(lows[nearest])

    def step_ns(self) -> int:
        """Return the largest jump of the host's wall clock against its monotonic clock, in nanoseconds."""
        pairs = self._pairs.get(HOST)
        if pairs is None or len(pairs[0]) < 2:
            return 0
        return int(np.abs(np.diff(pairs[2] - pairs[0])).max())

    def _on_host(self, domain: str, pairs: list[tuple[int, int]]) -> tuple[_Column, _Column, _Column] | None:
        """Return the pairs of monotonic and wall time as three columns, in order: earliest, latest, and wall time.

        Earliest and latest are times of the host's clock. Return None if no pair can be placed there.
        """
        placed = [(self.place(domain, mono_ns), wall_ns) for mono_ns, wall_ns in pairs]
        rows = sorted((span[0], span[1], wall_ns) for span, wall_ns in placed if span is not None)
        if not rows:
            return None
        columns = np.array(rows, dtype=np.int64).T
        return columns[0], columns[1], columns[2]
