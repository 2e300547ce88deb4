"""Reads recordings of the operator: its log, what its settings allow, and how its trials are grouped."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from chaos.analysis.allowed import IN_PLACE_S, gone_s
from chaos.analysis.history import History
from chaos.analysis.interval import Interval
from chaos.analysis.logs import LogLine
from chaos.analysis.measured import Measured
from chaos.analysis.result import Node
from chaos.operators.operator import Means, Operator
from chaos.operators.spotahome import LABEL_LINE, REPAIR_LINE
from chaos.record.events import ConfigSet, Event

LABEL_S = Interval(1.0, 2.0)
"""How many seconds after down-after a resync can write the label, at the earliest and at the latest."""
POD_BACK_S = 6.0
"""A replaced pod runs again within this many seconds of its predecessor's end."""
MENDED_S = 2.0
"""How many seconds after failover-timeout Sentinel may take to make the old master a replica: until its next INFO."""
NAMED = re.compile(r"\bnamespace[:=] ?([\w.-]+)")
"""Matches the namespace that a line of the operator's log is about."""
TICK_SLACK_S = 3.0
"""By how many seconds the time between two resyncs may differ from their period, since each takes a while."""


def _mine(history: History, pattern: str) -> Iterator[LogLine]:
    """Yield the matching lines of the operator's log, without those about another namespace."""
    kube = history.scenario.system.kube
    for line in history.lines("operator", pattern):
        named = NAMED.search(line.text)
        if kube is None or named is None or named[1] == kube.namespace:
            yield line


def resyncs_s(history: History) -> list[float]:
    """Return when the operator set a Redis: a process counts more CONFIG SET than at the poll before."""
    is_tick = SetsCounted()
    return [fact.at_s.middle for fact in history.facts(ConfigSet) if is_tick(fact.event)]


class SetsCounted:
    """Returns for each event whether it shows a resync: a process counts more CONFIG SET than at its last event."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str], int] = {}

    def __call__(self, event: Event) -> bool:
        if not isinstance(event, ConfigSet):
            return False
        process = event.member, event.run_id
        before, self._counted[process] = self._counted.get(process, event.calls), event.calls
        return event.calls > before


class Spotahome(Operator):
    name = "spotahome"

    def label_lines(self, history: History, successor: Node) -> list[LogLine]:
        return list(_mine(history, f"{LABEL_LINE}.*{re.escape(successor.name)}"))

    def allowed_through_service(self, means: Means) -> Interval | None:
        """Return the interval from when the operator can act until its resync has reached the new master's pod."""
        if means.requested:
            if means.gone_s is None:
                return None
            first = Interval(means.gone_s, means.gone_s + POD_BACK_S)
        else:
            first = (IN_PLACE_S if means.in_place else LABEL_S).shifted(means.down_after_s)
        more = Interval.at(0.0)
        if self.group(means.target, means.successor) == "lower":
            more = Interval.at(means.period_s)
            if means.in_place and means.failover_timeout_s is not None:
                mended_s = means.failover_timeout_s
                more = Interval(min(mended_s, means.period_s), min(mended_s + MENDED_S, means.period_s))
        return Interval(first.least + more.least, first.most + means.period_s + more.most)

    def group(self, target: Node | None, successor: Node | None) -> str:
        """Return whether the killed pod's ordinal is `lower` or `higher` than the new master's.

        This order decides which resync labels the new master.
        """
        killed, new = (node.ordinal if node else None for node in (target, successor))
        if killed is None or new is None or killed == new:
            return ""
        return "lower" if killed < new else "higher"

    def covariates(self, history: History) -> dict[str, Any]:
        """Return `since_resync_s`, the seconds from the last resync to t = 0, and `resync_seen_by`, what shows it.

        Each resync sets every Redis, as the statistics of Redis show (`commandstats`). Older recordings and a Redis
        before 7 do not have them. The seconds are then counted back from the resync that wrote the label (`label`).
        Since that resync is part of the outage, such a figure cannot be used to explain the outage.
        """
        ticks = [at_s for at_s in resyncs_s(history) if at_s <= 0]
        if ticks:
            return {"since_resync_s": -max(ticks), "resync_seen_by": "commandstats"}
        label = next((line for line in _mine(history, LABEL_LINE) if line.at_s.most > 0), None)
        if label is None:
            return {"since_resync_s": None, "resync_seen_by": None}
        return {"since_resync_s": -label.at_s.most % history.scenario.system.period, "resync_seen_by": "label"}

    def ticks(self) -> Callable[[Event], bool]:
        return SetsCounted()

    def pointer_cause(self, measured: Measured) -> str:
        successor = measured.successor
        lines = self.label_lines(measured.history, successor) if successor else []
        label = next((line for line in lines if line.at_s.most > 0), None)
        return "; ".join(self._late(measured, label)) if label else ""

    def _late(self, measured: Measured, label: LogLine) -> Iterator[str]:
        at_s, promoted_s = label.at_s.most, measured.middle_s("promoted")
        after = "" if promoted_s is None else f" {at_s - promoted_s:.1f} s after the promotion"
        yield f"the operator wrote the master label{after}, at {at_s:.1f} s"
        period_s = measured.history.scenario.system.period
        repairs = [line.at_s.most for line in _mine(measured.history, REPAIR_LINE)]
        repairs = [repair_s for repair_s in repairs if 0 < repair_s < at_s]
        if repairs and abs(at_s - repairs[-1] - period_s) <= TICK_SLACK_S:
            yield f"the resync {period_s:.0f} s before it only made a pod a replica{self._order(measured)}"
        else:
            yield f"it labels only in its {period_s:.0f} s resync"
        terminating_s = gone_s(measured)
        requested = measured.failover is not None and measured.failover.kind == "requested"
        if requested and terminating_s and 5 < terminating_s < at_s:
            yield f"it does nothing while a pod is terminating, here until {terminating_s:.1f} s"

    def _order(self, measured: Measured) -> str:
        target, successor = measured.target, measured.successor
        if target is None or successor is None or self.group(target, successor) != "lower":
            return ""
        order = f"the killed pod {target.ordinal} comes before the new master {successor.ordinal}"
        return f" (it stops at the first pod that has just come back, and {order})"
