"""What an operator's room answers. These answers are those of no operator at all; a room overrides what it knows.

The scenario names its room (`system.operator`). Nothing outside a room knows a word of that operator's log or what its
reconcile loop does. To add an operator, write a room here, a line in `chaos.operators.rooms`, and its name in
`chaos.scenario.model`.
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What decides how long an outage may be: the settings, the fault, and who was hit and promoted. Seconds.

    `in_place`: the killed process was back at its address, as a replica of itself, before Sentinel missed it.
    `gone_s`: when the pod that was deleted was gone, from t = 0; None where that was not seen.
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
    """The findings that only this operator's systems have."""

    def label_lines(self, history: "History", successor: "Node") -> "list[LogLine]":
        """The lines of the operator's log that say that it wrote the master label to that pod."""
        del history, successor
        return []

    def allowed_through_service(self, means: Means) -> "Interval | None":
        """Seconds from t = 0 within which the settings allow the Service to lead to the new master; None: not known."""
        del means
        return None

    def group(self, target: "Node | None", successor: "Node | None") -> str:
        """Trials of unlike groups are distributions of their own and are never pooled. Empty: there is only one."""
        del target, successor
        return ""

    def covariates(self, history: "History") -> dict[str, Any]:
        """What else of the operator may explain a trial, such as the time since its last pass."""
        del history
        return {}

    def pointer_cause(self, measured: "Measured") -> str:
        """Why the Service named the new master so late, as its log shows it; empty where the log does not say."""
        del measured
        return ""
