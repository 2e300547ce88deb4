"""How long an outage the effective settings allow. This is computed from how Sentinel works, and not measured.

Sentinel says +sdown no sooner than down-after-milliseconds (D) after the master's last answer. Within 3.6 s of that, a
replica accepts writes and some Sentinel names it. If the master's process comes back in place as a replica of itself,
Sentinel waits until D + 20 s have passed, and sees the role in an INFO every 10 s. All this is from sentinel.c of 7.2.
What an operator adds is in its room in chaos.operators.
"""

from chaos.analysis.history import History
from chaos.analysis.interval import Interval
from chaos.analysis.measured import Measured
from chaos.analysis.result import PathResult
from chaos.operators.operator import Means
from chaos.record.events import Pod
from chaos.scenario.scenario import PROMOTION_S

SENTINEL_WORST_S = 3.6
"""The most that a failover takes after D: 1.1 for pings, 1.1 to ask the others, 0.3 for a timer, 1.1 for INFO."""
IN_PLACE_S = Interval(21.0, 31.0)
"""The time after D where the old master said that it is a replica before Sentinel called it down."""
ROLE_STANDS_S = 20.0
"""For how long after D a master has to say that it is a replica, before Sentinel calls it down: two INFO periods."""


def allowed_s(measured: Measured, path: PathResult) -> Interval | None:
    """Return within how many seconds from t = 0 a path may come back by the settings, or None where they do not decide.

    They do not decide without a failover or after several of them, where no settings were read, or where the fault was
    healed: the outage of a cut is as long as the cut.
    """
    known = means(measured)
    if known is None or not path.working:
        return None
    if not path.via_sentinel:
        return measured.operator.allowed_through_service(known)
    if known.requested:
        return Interval(0.0, SENTINEL_WORST_S)
    after = IN_PLACE_S if known.in_place else Interval(PROMOTION_S, SENTINEL_WORST_S)
    return after.shifted(known.down_after_s)


def means(measured: Measured) -> Means | None:
    """Return what the allowed outage depends on, or None where the settings do not decide it."""
    failover, down_after_s = measured.failover, measured.least_s("down-after-milliseconds")
    if failover is None or down_after_s is None or measured.history.heal_s is not None:
        return None
    if sum(one.completed for one in measured.attempts if one.started.at_s.most > 0) > 1:
        return None
    return Means(
        down_after_s=down_after_s,
        failover_timeout_s=measured.least_s("failover-timeout"),
        period_s=measured.history.scenario.system.period,
        in_place=became_a_replica(measured),
        requested=failover.kind == "requested",
        target=measured.target,
        successor=failover.successor,
        gone_s=gone_s(measured),
    )


def became_a_replica(measured: Measured) -> bool:
    """Return whether the old master was seen as a replica at its address before Sentinel called it down.

    A process that was restarted in its pod is one, as a replica of itself, and a master that was told FAILOVER.
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
    """Return when the target's pod had ended its termination and was gone, or None where that was not seen."""
    target = measured.target
    mine = (pod for pod in measured.history.facts(Pod) if target and pod.event.name == target.name)
    return next((pod.latest_s for pod in mine if pod.event.gone and pod.latest_s > 0), None)


def settings(history: History) -> dict[str, object]:
    """Return the effective settings by component: one value if all members agree, else the value of each member."""
    found: dict[str, object] = {}
    for component, members in sorted(history.recording.settings.items()):
        names = sorted({name for values in members.values() for name in values})
        of_each = {name: {member: values.get(name) for member, values in members.items()} for name in names}
        found[component] = {
            name: next(iter(values.values())) if len(set(map(str, values.values()))) == 1 else values
            for name, values in of_each.items()
        }
    return found
