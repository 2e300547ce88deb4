"""Sentinels that name different masters for longer than it takes to tell each other."""

from collections.abc import Iterator

from chaos.analysis.history import Fact
from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.record.events import SentinelAddress, SentinelLost

LEAST_S = 1.0
"""The other Sentinels hear of a new master within this time, from the leader's own hello."""


def sentinels_disagree(measured: Measured) -> Iterator[Finding]:
    """Find the times in which Sentinels that answered named different masters."""
    history = measured.history
    told: list[Fact[SentinelAddress] | Fact[SentinelLost]]
    told = sorted([*history.facts(SentinelAddress), *history.facts(SentinelLost)], key=lambda one: one.latest_s)
    named: dict[str, str] = {}
    since_s: float | None = None
    views: dict[str, str] = {}
    for number, fact in enumerate(told):
        event = fact.event
        named.pop(event.sentinel, None)
        if isinstance(event, SentinelAddress) and event.address:
            named[event.sentinel] = event.address
        differ = len(set(named.values())) > 1
        if differ and since_s is None:
            since_s = fact.latest_s
        if differ:
            views = dict(named)
        next_s = told[number + 1].earliest_s if number + 1 < len(told) else history.end_s
        if since_s is not None and (not differ or number + 1 == len(told)):
            until_s = None if differ else fact.earliest_s
            if (next_s if until_s is None else until_s) - since_s > LEAST_S and (until_s is None or until_s > 0):
                yield _finding(measured, views, since_s, until_s)
            since_s = None


def _finding(measured: Measured, views: dict[str, str], since_s: float, until_s: float | None) -> Finding:
    each = "; ".join(f"{name} {measured.history.node(address).name}" for name, address in sorted(views.items()))
    until = "until the end" if until_s is None else f"until {until_s:.1f} s"
    return Finding(
        name="Sentinels disagree",
        sentence=f"The Sentinels named different masters from {since_s:.1f} s {until}: {each}.",
        severity="slow" if until_s is not None else "out",
        since_s=since_s,
        until_s=until_s,
        explains=("endpoint", "routing", "reconnection", "unattributed", "after recovery"),
        rows=tuple(f"{name}: GET-MASTER-ADDR-BY-NAME says {address}" for name, address in sorted(views.items())),
    )
