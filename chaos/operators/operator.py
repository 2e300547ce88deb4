"""What an operator's room is asked. The answers here are those of a system without an operator; a room overrides them.

The scenario names its room (`system.operator`). Nothing outside a room knows a word of that operator's log or what its
reconcile loop does. To add an operator, write a room here, a word in ROOMS of chaos.analysis.trial, and its name in
`chaos.scenario.scenario`.
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
    """What decides how long an outage may be: the settings, the fault, and who was hit and promoted. Times in seconds.

    `in_place` says that the killed process was back at its address, as a replica of itself, before Sentinel missed it.
    `gone_s` is when the deleted pod was gone, from t = 0; None if that was not seen.
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
    """A system without an operator: hand-made StatefulSets, machines, compose files. It claims nothing."""

    name = "none"
    rules: "tuple[Callable[[Measured], Iterable[Finding]], ...]" = ()
    """The rules for findings that only this operator's systems have."""

    def label_lines(self, history: "History", successor: "Node") -> "list[LogLine]":
        """The lines of the operator's log that say that it wrote the master label to the pod of `successor`."""
        del history, successor
        return []

    def allowed_through_service(self, means: Means) -> "Interval | None":
        """Within how many seconds from t = 0 the settings let the Service lead to the new master; None if not known."""
        del means
        return None

    def group(self, target: "Node | None", successor: "Node | None") -> str:
        """The group of a trial. Trials of different groups are never pooled. Empty if there is only one group."""
        del target, successor
        return ""

    def covariates(self, history: "History") -> dict[str, Any]:
        """What else about the operator may explain a trial, such as the time since its last pass."""
        del history
        return {}

    def ticks(self) -> "Callable[[Event], bool]":
        """Return a function that is given every event in turn, and says if it shows another pass of the operator."""
        return lambda _event: False

    def pointer_cause(self, measured: "Measured") -> str:
        """Why the Service named the new master so late, as the operator's log shows; empty if it does not."""
        del measured
        return ""
