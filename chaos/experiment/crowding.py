"""Whether operations are bad because the machine is too busy. It is told while a trial runs, and makes no figure."""

from collections import deque
from typing import NamedTuple

from chaos.record.events import Event, Hiccup, Waited

KEPT = 10_000
"""How many stalls, and how many waits, are remembered: the newest ones."""
CROWDED_SHARE = 0.1
"""A machine is crowded if the agent was held up, or members waited for a core, for more than this share of the time."""


class Stall(NamedTuple):
    at_ns: int
    long_ns: int


class Crowded(NamedTuple):
    """How long the agent stalled and members waited for a core, added up over a time of `span_s`."""

    span_s: float
    stalls: int
    stalled_s: float
    worst_s: float
    waited_s: float

    @property
    def by_stalls(self) -> bool:
        return self.stalled_s > CROWDED_SHARE * self.span_s

    @property
    def at_all(self) -> bool:
        return self.by_stalls or self.waited_s > CROWDED_SHARE * self.span_s

    @property
    def sentence(self) -> str:
        held = (
            f"the agent was held up {self.stalls} times, {self.stalled_s:.2f} s in all and {self.worst_s:.2f} s at most"
        )
        return f"in {self.span_s:.1f} s {held}, and members waited {self.waited_s:.2f} s for a core, added up"


class Crowding:
    """Adds up the agent's stalls and the members' waits. Stamps are on the host's clock."""

    def __init__(self) -> None:
        self._stalls: deque[Stall] = deque(maxlen=KEPT)
        self._waits: deque[Stall] = deque(maxlen=KEPT)

    def apply(self, event: Event, at_ns: int) -> None:
        if isinstance(event, Hiccup):
            self._stalls.append(Stall(at_ns, event.late_ns))
        elif isinstance(event, Waited):
            self._waits.append(Stall(at_ns, event.waited_ns))

    def since(self, since_ns: int, now_ns: int, least_ns: int) -> Crowded:
        """Of the agent's stalls only those of at least `least_ns` count; of the waits all."""
        late = [one.long_ns / 1e9 for one in self._stalls if one.at_ns >= since_ns and one.long_ns >= least_ns]
        waited = [one.long_ns / 1e9 for one in self._waits if one.at_ns >= since_ns]
        return Crowded((now_ns - since_ns) / 1e9, len(late), sum(late), max(late, default=0.0), sum(waited))
