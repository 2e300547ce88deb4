"""What happened in a trial, before anything is held against a promise: faults, failovers, paths, losses.

Each part is worked out once, from those before it.
"""

from functools import cached_property

from chaos.analysis import timeline
from chaos.analysis.history import Fact, History
from chaos.analysis.losses import losses
from chaos.analysis.paths import Path, paths
from chaos.analysis.result import Failover, FaultRecord, Losses, Milestone, Node
from chaos.analysis.sentinel import Attempt, attempts, everything_said


class Happened:
    def __init__(self, history: History) -> None:
        self.history = history

    @cached_property
    def faults(self) -> tuple[FaultRecord, ...]:
        return tuple(_fault(self.history, fact) for fact in self.history.facts("fault.requested"))

    @property
    def target(self) -> Node | None:
        return self.faults[0].target if self.faults else None

    @cached_property
    def losses(self) -> Losses:
        return losses(self.history)

    @cached_property
    def paths(self) -> list[Path]:
        return paths(self.history, decided=self.losses.lost is not None)

    @cached_property
    def attempts(self) -> list[Attempt]:
        return attempts(everything_said(self.history))

    @cached_property
    def failovers(self) -> tuple[Failover, ...]:
        return tuple(timeline.failover(self.history, attempt) for attempt in self.attempts)

    @cached_property
    def attempt(self) -> Attempt | None:
        """The first completed failover after the effect, or the first that was tried."""
        after = [attempt for attempt in self.attempts if attempt.started.span[1] > 0]
        return next((attempt for attempt in after if attempt.completed), next(iter(after), None))

    @property
    def failover(self) -> Failover | None:
        return self.failovers[self.attempts.index(self.attempt)] if self.attempt else None

    @property
    def aborted(self) -> int:
        return sum(bool(failover.aborted) for failover in self.failovers)

    @cached_property
    def successor(self) -> Node | None:
        return self.failover.successor if self.failover else timeline.successor(self.history, None)

    @cached_property
    def milestones(self) -> dict[str, Milestone]:
        """Those of the failover. Where nothing was done none is due, and there are none."""
        if self.failover:
            return self.failover.milestones
        if self.history.expects == "nothing":
            return {}
        each = (timeline.switching(self.history, None), timeline.following(self.history, self.successor, None))
        return timeline.milestones(self.history, None, self.successor, each)


def _fault(history: History, requested: Fact) -> FaultRecord:
    name, target = requested.get("fault"), requested.get("target")

    def when(kind: str) -> Fact | None:
        return next((fact for fact in history.facts(f"fault.{kind}") if fact.get("fault") == name), None)

    effect, proof = when("effect"), when("confirmed") or when("unproved")
    return FaultRecord(
        name=str(name),
        target=Node(**{key: target.get(key) for key in ("name", "ordinal", "address", "run_id")}) if target else None,
        requested_s=requested.latest_s,
        accepted_s=_at(when("accepted")),
        effect_s=effect.span if effect else None,
        confirmed_s=_at(when("confirmed")),
        heal_requested_s=_at(when("heal_requested")),
        heal_confirmed_s=_at(when("heal_confirmed")),
        evidence=str(proof.get("evidence")) if proof else "",
    )


def _at(fact: Fact | None) -> float | None:
    return fact.latest_s if fact else None
