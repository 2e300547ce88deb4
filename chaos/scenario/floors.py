"""What the settings allow at best: the earliest that Sentinel can do each step after a master fell silent.

Read in Redis's sentinel.c and measured on 7.0: nobody says +sdown before down-after-milliseconds is over, and a
replica is writable 0.2 s after that at the earliest (a vote, a timer tick of 50 to 100 ms, REPLICAOF NO ONE).
A failover that was asked for, as a graceful delete does here, has no such floor.
"""

from chaos.scenario.model import Scenario, TargetName

_BEFORE_PROMOTION: tuple[TargetName, ...] = ("detection", "quorum", "election")
_AFTER_PROMOTION: tuple[TargetName, ...] = ("promotion", "reconfiguration", "endpoint_update", "reconnect", "total")
PROMOTION_S = 0.2
"""The least from +sdown to a writable master."""


def floors(down_after_s: float) -> dict[TargetName, float]:
    """Seconds from t = 0 that no setting but down-after-milliseconds can shorten, a target each."""
    before: dict[TargetName, float] = dict.fromkeys(_BEFORE_PROMOTION, down_after_s)
    return before | dict.fromkeys(_AFTER_PROMOTION, down_after_s + PROMOTION_S)


def down_after_s(scenario: Scenario) -> float | None:
    """As the scenario declares it; None where it leaves that to the system."""
    value = str(scenario.system.settings.sentinel.get("down-after-milliseconds", ""))
    return int(value) / 1000 if value.isdigit() else None
