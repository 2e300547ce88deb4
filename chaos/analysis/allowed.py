"""How long an outage the effective settings allow. This is computed from how Sentinel works, and not measured.

Sentinel reports +sdown no sooner than down-after-milliseconds (D) after the master's last answer. Within 3.6 s of
+sdown, a replica accepts writes and some Sentinel names that replica. If the old master says at its address that it is
a replica, Sentinel reports +sdown only when D + 20 s have passed, and it sees roles in an INFO every 10 s. All this is
from sentinel.c of 7.2. The operators' rooms in chaos.operators say what an operator adds.
"""

from chaos.analysis.interval import Interval
from chaos.analysis.measured import Measured
from chaos.analysis.result import PathResult
from chaos.operators.operator import Means
from chaos.record.events import Pod
from chaos.scenario.scenario import PROMOTION_S

SENTINEL_WORST_S = 3.6
"""The most seconds that a failover takes after D: 1.1 for pings, 1.1 to ask the others, 0.3 for a timer, 1.1 for INFO.
"""
IN_PLACE_S = Interval(21.0, 31.0)
"""The seconds that a failover takes after D if the old master said that it is a replica before Sentinel reported
+sdown.
"""
ROLE_STANDS_S = 20.0
"""How many seconds after D Sentinel lets a master say that it is a replica before it reports +sdown: two INFO periods.
"""


def allowed_s(measured: Measured, path: PathResult) -> Interval | None:
    """Return how many seconds from t = 0 the settings allow a path to be out, or None if they do not decide it.

    They do not decide it without a failover, after several failovers, if no settings were read, or if the fault was
    healed, because the outage of a cut is as long as the cut.
    """
    failover, down_after_s = measured.failover, measured.least_s("down-after-milliseconds")
    if not path.working or failover is None or down_after_s is None or measured.history.heal_s is not None:
        return None
    if sum(one.completed for one in measured.attempts if one.started.at_s.most > 0) > 1:
        return None
    in_place, requested = became_a_replica(measured), failover.kind == "requested"
    if not path.via_sentinel:
        return measured.operator.allowed_through_service(
            Means(
                down_after_s=down_after_s,
                failover_timeout_s=measured.least_s("failover-timeout"),
                period_s=measured.history.scenario.system.period,
                in_place=in_place,
                requested=requested,
                target=measured.target,
                successor=failover.successor,
                gone_s=gone_s(measured),
            )
        )
    if requested:
        return Interval(0.0, SENTINEL_WORST_S)
    after = IN_PLACE_S if in_place else Interval(PROMOTION_S, SENTINEL_WORST_S)
    return after.shifted(down_after_s)


def became_a_replica(measured: Measured) -> bool:
    """Return whether the old master was seen as a replica at its address before Sentinel reported +sdown.

    This happens after a restart of its process in its pod, and after a FAILOVER command.
    """
    target, origin = measured.target, measured.origin
    if target is None or origin is None:
        return False
    if origin.name != "failover" and origin.arguments.get("replace", origin.name != "oom"):
        return False
    sdown = measured.milestones.get("sdown")
    sdown_s = sdown.at_s.least if sdown and sdown.at_s else float("inf")
    roles = measured.history.roles_of(target.name)
    return any(fact.event.role == "slave" and 0 < fact.latest_s < sdown_s for fact in roles)


def gone_s(measured: Measured) -> float | None:
    """Return when the target's pod had terminated and was gone, or None if that was not seen."""
    target = measured.target
    mine = (pod for pod in measured.history.facts(Pod) if target and pod.event.name == target.name)
    return next((pod.latest_s for pod in mine if pod.event.gone and pod.latest_s > 0), None)
