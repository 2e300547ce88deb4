"""What the settings allow at best: the earliest that Sentinel can do each step after a master fell silent.

Read in Redis's sentinel.c and measured on 7.0: nobody says +sdown before down-after-milliseconds is over, and a
replica is writable 0.2 s after that at the earliest (a vote, a timer tick of 50 to 100 ms, REPLICAOF NO ONE).
A failover that was asked for, as a graceful delete does here, has no such floor.
"""

from chaos.scenario.model import Claim, Scenario

_BEFORE_PROMOTION: tuple[Claim, ...] = ("detection", "quorum", "failover_start")
_AFTER_PROMOTION: tuple[Claim, ...] = ("promotion", "reconfiguration", "endpoint", "recovery", "downtime")
PROMOTION_S = 0.2
"""The least from +sdown to a writable master."""
HASTY_S = 1.1
"""A lost connection is tried again once a second, on a tick of 100 ms, and a new master has no grace beside its
down-after: a Sentinel that tried the old one just before it switched finds the new one silent for as long as this.
Seen on 7.0 and 6.2 with down-after-milliseconds 1000: a second failover, to the other replica, within 2 s of the first.
"""


def floors(down_after_s: float) -> dict[Claim, float]:
    """Seconds from t = 0 that no setting but down-after-milliseconds can shorten, a target each."""
    before: dict[Claim, float] = dict.fromkeys(_BEFORE_PROMOTION, down_after_s)
    return before | dict.fromkeys(_AFTER_PROMOTION, down_after_s + PROMOTION_S)


def down_after_s(scenario: Scenario) -> float | None:
    """As the scenario declares it; None where it leaves that to the system."""
    value = str(scenario.system.settings.sentinel.get("down-after-milliseconds", ""))
    return int(value) / 1000 if value.isdigit() else None
