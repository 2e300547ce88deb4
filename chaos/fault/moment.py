"""The moment of a fault: at once, at an event, some seconds after an event, or random by the trial's seed.

It is written as `when` of an action: `+odown`, `2 s after +odown`, `12 s after tick`, `5 s` (after t = 0), `within 10
s` (random).
"""

import difflib
import random
import re
from collections import Counter
from dataclasses import dataclass
from typing import Self

PROMOTION = "promotion"
"""The word for the moment when another Redis first says that it is master. Most other words are Sentinel's events."""
TICK = "tick"
"""The word for the operator's next reconcile, known from Redis's count of CONFIG SET calls, which is polled every 0.5
s."""
EVENTS = (
    *("+monitor", "+set", "+reset-master", "+reboot", "+slave", "+sentinel", "+sentinel-address-switch"),
    *("+sentinel-address-update", "+sentinel-invalid-addr", "+sdown", "-sdown", "+odown", "-odown", "+tilt", "-tilt"),
    *("+new-epoch", "+config-update-from", "+try-failover", "+vote-for-leader", "+elected-leader", "+selected-slave"),
    *("+failover-state-select-slave", "+failover-state-send-slaveof-noone", "+failover-state-wait-promotion"),
    *("+failover-state-reconf-slaves", "+promoted-slave", "+slave-reconf-sent", "+slave-reconf-sent-be"),
    *("+slave-reconf-inprog", "+slave-reconf-done", "-slave-reconf-sent-timeout", "+failover-end"),
    *("+failover-end-for-timeout", "-failover-abort-not-elected", "-failover-abort-no-good-slave"),
    *("-failover-abort-slave-timeout", "-failover-abort-master-timeout", "+switch-master", "+convert-to-slave"),
    *("+fix-slave-config", "+role-change", "-role-change", "-cmd-link-reconnection", "-pubsub-link-reconnection"),
    *("+script-child", "-script-child", "-script-error", "-script-timeout"),
)
"""The events that a Sentinel publishes, from sentinel.c of Redis 6.2, Redis 7.0 and Valkey 9.1."""
_SECONDS = r"\d+(?:\.\d+)?"
_WRITTEN = re.compile(
    rf"within (?P<within>{_SECONDS}) s|(?:(?P<after>{_SECONDS}) s(?: after |$))?(?P<event>[+-]\S+|{PROMOTION}|{TICK})?"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """`after_s` seconds after `event`, or after t = 0 if `event` is empty.

    `within_s` is the longest random wait, 0 for none.
    """

    event: str = ""
    after_s: float = 0.0
    within_s: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the `when` of an action. Raises ValueError with examples of what can be written."""
        found = _WRITTEN.fullmatch(text)
        if found is None:
            known = "+odown, 2 s after +odown, promotion, 12 s after tick, 5 s, or within 10 s"
            raise ValueError(f'"{text}" is no moment; write {known}')
        if found["within"] and not float(found["within"]):
            raise ValueError(f'"{text}" is no wait; leave it out, or write within 10 s')
        event = found["event"] or ""
        if event[:1] in ("+", "-") and event not in EVENTS:
            near = difflib.get_close_matches(event, EVENTS, n=1)
            raise ValueError(f"Sentinel publishes no {event}{f'; did you mean {near[0]}?' if near else ''}")
        return cls(found["event"] or "", float(found["after"] or 0), float(found["within"] or 0))

    def random_s(self, seed: int) -> float:
        return random.Random(f"{seed}:moment").uniform(0.0, self.within_s)


def published(said: Counter[tuple[str, str]], event: str) -> int:
    """Return how often the Sentinels have published an event."""
    return sum(count for (_, channel), count in said.items() if channel == event)
