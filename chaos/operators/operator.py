"""What the analysis asks about an operator, answered here for a system without one.

A room is a folder with a subclass of `Operator`, which overrides what it knows about one operator. The scenario names
its room (`system.operator`). Nothing outside a room knows that operator's log or its reconcile loop. To add an
operator, write a room here, add it to ROOMS of chaos.analysis.trial, and add its name to `chaos.scenario.scenario`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaos.analysis.history import History
    from chaos.analysis.interval import Interval
    from chaos.analysis.logs import LogLine
    from chaos.analysis.measured import Measured
    from chaos.analysis.result import Finding, Node
    from chaos.record.events import Event


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What decides how long an outage may be: the settings, the fault, and which members were hit and promoted.

    Times are in seconds. `in_place` is true if the killed process was back at its address, as a replica, before
    Sentinel reported +sdown. `gone_s` is when the deleted pod was gone, from t = 0, or None if that was not seen.
    """

    down_after_s: float
    failover_timeout_s: float | None
    period_s: float
    in_place: bool
    requested: bool
    target: "Node | None"
    successor: "Node | None"
    gone_s: float | None


class Operator:
    """A system without an operator, such as hand-made StatefulSets, machines or compose files."""

    name = "none"
    rules: "tuple[Callable[[Measured], Iterable[Finding]], ...]" = ()
    """The rules for findings that only this operator's systems have."""

    def label_lines(self, history: "History", successor: "Node") -> "list[LogLine]":
        """Return the lines of the operator's log that say that the pod of `successor` got the master label."""
        del history, successor
        return []

    def allowed_through_service(self, means: Means) -> "Interval | None":
        """Return within how many seconds from t = 0 the Service may lead to the new master, by the settings.

        Return None if that is not known.
        """
        del means
        return None

    def group(self, target: "Node | None", successor: "Node | None") -> str:
        """Return the group of a trial, or an empty string if there is only one. Different groups are never pooled."""
        del target, successor
        return ""

    def covariates(self, history: "History") -> dict[str, Any]:
        """Return what else about the operator may explain a trial, such as the time since its last reconcile."""
        del history
        return {}

    def ticks(self) -> "Callable[[Event], bool]":
        """Return a function that takes every event in turn, and says whether it shows another reconcile."""
        return lambda _event: False

    def pointer_cause(self, measured: "Measured") -> str:
        """Return why the Service named the new master so late, by the operator's log, or an empty string."""
        del measured
        return ""
