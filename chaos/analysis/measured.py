"""Everything that was measured in one trial. Findings, doubts, cause and verdict are made from it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos.analysis.history import History
from chaos.analysis.result import FailoverResult, FaultRecord, Losses, Milestone, Node, PathResult
from chaos.analysis.sentinels import Attempt, Said
from chaos.record.events import Role, RoleLost

if TYPE_CHECKING:
    from chaos.operators.operator import Operator

ASKED_S = 3.0
"""A Redis without a recorded role for this many seconds was not asked: a role is recorded at least once a second."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured in one trial, before it is compared with the promises.

    `said` holds every event of every Sentinel in order. `attempts` are the failovers that Sentinel tried, and
    `failovers` are the same ones with milestones. `chosen` is the index of the attempt that the trial is about: the
    first one after t = 0 that was completed, or else the first one after t = 0. It is None if there was none. `paths`
    have no targets yet.
    """

    history: History
    operator: "Operator"
    losses: Losses
    said: tuple[Said, ...]
    attempts: tuple[Attempt, ...]
    failovers: tuple[FailoverResult, ...]
    chosen: int | None
    milestones: dict[str, Milestone]
    paths: dict[str, PathResult]

    @property
    def origin(self) -> FaultRecord | None:
        """The fault whose effect is t = 0."""
        return self.history.origin

    @property
    def target(self) -> Node | None:
        """The member that was hit by the fault whose effect is t = 0, or None."""
        return self.origin.target if self.origin else None

    @property
    def attempt(self) -> Attempt | None:
        return None if self.chosen is None else self.attempts[self.chosen]

    @property
    def failover(self) -> FailoverResult | None:
        return None if self.chosen is None else self.failovers[self.chosen]

    @property
    def successor(self) -> Node | None:
        """The replica that the chosen attempt promoted, or None."""
        return self.failover.successor if self.failover else None

    @property
    def after_effect(self) -> tuple[FailoverResult, ...]:
        """The failovers that were tried after t = 0."""
        pairs = zip(self.attempts, self.failovers, strict=True)
        return tuple(failover for attempt, failover in pairs if attempt.started.at_s.most > 0)

    @property
    def working(self) -> list[PathResult]:
        """The meters' paths that worked before the fault, in the order of their clients."""
        return [path for path in self.paths.values() if path.working]

    def setting(self, component: str, name: str) -> dict[str, str]:
        """Return an effective setting by member, as read before the baseline, for the members that have it."""
        members = self.history.recording.settings.get(component, {})
        return {member: str(values[name]) for member, values in members.items() if values.get(name) is not None}

    def least_s(self, name: str) -> float | None:
        """Return the least value of a setting of the Sentinels in seconds. `name` is a setting in milliseconds.

        If no setting was read, return the scenario's value, or None if the scenario does not set it.
        """
        declared = self.history.scenario.system.settings.sentinel.get(name)
        read = list(self.setting("sentinel", name).values()) or [str(declared)]
        return min((int(value) / 1000 for value in read if value.isdigit()), default=None)

    def middle_s(self, milestone: str) -> float | None:
        """Return the middle of the interval in which a milestone was seen, or None if it was not seen."""
        at_s = self.milestones[milestone].at_s if milestone in self.milestones else None
        return at_s.middle if at_s else None


def masters_at_end(history: History) -> list[str] | None:
    """Return the Redis that still answered at the end as masters.

    Return None if that is not known: no Redis was asked, or none was a master and the last known one was not asked.
    """
    last: dict[str, tuple[float, str]] = {}
    for fact in history.facts(Role):
        last[fact.event.member] = (fact.latest_s, fact.event.role)
    for lost in history.facts(RoleLost):
        if lost.latest_s >= last.get(lost.event.member, (float("-inf"), ""))[0]:
            last.pop(lost.event.member, None)
    still = {name: role for name, (at_s, role) in last.items() if at_s >= history.end_s - ASKED_S}
    masters = sorted(name for name, role in still.items() if role == "master")
    was_one = any(role == "master" for _, role in last.values())
    if not masters and (was_one or not (still or history.facts(RoleLost))):
        return None
    return masters
