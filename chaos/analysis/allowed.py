"""How long an outage the effective settings allow, by how Sentinel works. It is reckoned and not measured.

Sentinel says +sdown not before down-after-milliseconds (D). A replica is writable, and some Sentinel names it, within
3.6 s of that. A process that comes back in place is a replica of itself: Sentinel waits D + 20 s more, read in INFO
every 10 s. Read in sentinel.c of 7.2. What an operator adds is known to its room in chaos.operators.
"""

from chaos.analysis.history import History
from chaos.analysis.interval import Interval
from chaos.analysis.measured import Measured
from chaos.analysis.result import PathResult
from chaos.operators.operator import Means
from chaos.record.events import Pod, Role
from chaos.scenario.floors import PROMOTION_S

SENTINEL_WORST_S = 3.6
"""After D: ping skew 1.1, asking the others 1.1, a timer 0.3, the leader's INFO 1.1."""
IN_PLACE_S = Interval(21.0, 31.0)
"""After D, when the killed process came back at its address before Sentinel missed it."""
ROLE_STANDS_S = 20.0
"""After D, for how long a master that says it is a replica has to say so: two of Sentinel's INFO periods."""


def allowed_s(measured: Measured, path: PathResult) -> Interval | None:
    """Seconds from t = 0 within which the settings allow a path to be back. None where nothing decides it.

    Nothing decides it without a failover, without settings, or of a cut, whose outage is as long as the cut.
    """
    known = means(measured)
    if known is None or path.state != "works" or path.application:
        return None
    if not path.via_sentinel:
        return measured.operator.allowed_through_service(known)
    if known.requested:
        return Interval(0.0, SENTINEL_WORST_S)
    after = IN_PLACE_S if known.in_place else Interval(PROMOTION_S, SENTINEL_WORST_S)
    return after.shifted(known.down_after_s)


def means(measured: Measured) -> Means | None:
    """What decides it; None where nothing does."""
    failover, down_after_s = measured.failover, measured.least_s("down-after-milliseconds")
    if failover is None or down_after_s is None or measured.history.heal_s is not None:
        return None
    return Means(
        down_after_s=down_after_s,
        failover_timeout_s=measured.least_s("failover-timeout"),
        period_s=measured.history.scenario.system.period,
        in_place=came_back_in_place(measured),
        requested=failover.kind == "requested",
        target=measured.target,
        successor=failover.successor,
        gone_s=gone_s(measured),
    )


def came_back_in_place(measured: Measured) -> bool:
    """Whether the killed process was seen at its old address, as a replica, before Sentinel called it down."""
    target, origin = measured.target, measured.origin
    if target is None or origin is None or origin.arguments.get("replace", True):
        return False
    sdown = measured.milestones.get("sdown")
    sdown_s = sdown.at_s.least if sdown and sdown.at_s else float("inf")
    mine = (role for role in measured.history.facts(Role) if role.event.member == target.name)
    return any(role.event.role == "slave" and 0 < role.latest_s < sdown_s for role in mine)


def gone_s(measured: Measured) -> float | None:
    """When the target's pod, terminating until then, was gone; None where that was not seen."""
    target = measured.target
    mine = (pod for pod in measured.history.facts(Pod) if target and pod.event.name == target.name)
    return next((pod.latest_s for pod in mine if pod.event.gone and pod.latest_s > 0), None)


def settings(history: History) -> dict[str, object]:
    """The effective settings by component: one value where all members agree, else each member's."""
    found: dict[str, object] = {}
    for component, members in sorted(history.recording.settings.items()):
        names = sorted({name for values in members.values() for name in values})
        of_each = {name: {member: values.get(name) for member, values in members.items()} for name in names}
        found[component] = {
            name: next(iter(values.values())) if len(set(map(str, values.values()))) == 1 else values
            for name, values in of_each.items()
        }
    return found
