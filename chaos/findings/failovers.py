"""Failovers that were tried and led nowhere: no good replica, an undone promotion, and what repeating them costs."""

from collections import Counter
from collections.abc import Iterator

from chaos.analysis.measured import Measured
from chaos.analysis.milestones import PROMOTED_LINE
from chaos.analysis.result import Finding
from chaos.model import MemberKind


def no_good_replica(measured: Measured) -> Iterator[Finding]:
    """Sentinel found no replica that it may promote; its settings may say why."""
    said = [one for one in measured.said if one.channel == "-failover-abort-no-good-slave" and one.at_s.most > 0]
    if not said:
        return
    priorities = measured.setting("redis", "replica-priority")
    replicas = measured.history.names(MemberKind.REDIS)
    target = measured.target.name if measured.target else ""
    zero = sorted(name for name in replicas if name != target and priorities.get(name) == "0")
    why = f": {', '.join(zero)} have replica-priority 0" if zero and len(zero) >= len(replicas) - 1 else ""
    completed = any(not one.aborted for one in measured.after_effect)
    yield Finding(
        name="no good replica",
        sentence=f"{len(said)} failover{'s were' if len(said) > 1 else ' was'} aborted for want of a good "
        f"replica{why}.",
        severity="slow" if completed else "out",
        since_s=said[0].at_s.middle,
        explains=("election", "promotion", "unattributed"),
        rows=tuple(one.evidence for one in said),
        advice="Let at least one replica have a replica-priority above 0." if why else "",
    )


def aborted(measured: Measured) -> Iterator[Finding]:
    """Failovers that were aborted before one succeeded, for other reasons than a missing replica."""
    reasons = Counter(one.aborted for one in measured.after_effect if one.aborted and one.aborted != "no-good-slave")
    chosen = measured.failover
    if not reasons or chosen is None or chosen.aborted:
        return
    count = sum(reasons.values())
    started = chosen.milestones["try_failover"].at_s
    timeout_s = measured.least_s("failover-timeout")
    waits = f"; Sentinel waits 2 x failover-timeout, {2 * timeout_s:.0f} s, before it tries again" if timeout_s else ""
    yield Finding(
        name="election repeated",
        sentence=f"{count} failover{'s were' if count > 1 else ' was'} aborted before the one that succeeded "
        f"({', '.join(sorted(reasons))}){waits}.",
        severity="slow",
        since_s=0.0,
        until_s=started.most if started else None,
        explains=("election", "trigger"),
        rows=tuple(one.evidence for one in measured.said if one.channel.startswith("-failover-abort")),
    )


def promotion_undone(measured: Measured) -> Iterator[Finding]:
    """A replica became a master in an attempt that Sentinel then gave up."""
    undone = []
    promoted = [line for line in measured.history.lines("redis", PROMOTED_LINE) if line.at_s.most > 0]
    for attempt in measured.attempts:
        if attempt.aborted and attempt.started.at_s.most > 0:
            during = (attempt.started.at_s.least, attempt.ends_s)
            undone += [line for line in promoted if during[0] <= line.at_s.least < during[1]]
    if undone:
        yield Finding(
            name="promotion undone",
            sentence=f"{len(undone)} promotion{'s were' if len(undone) > 1 else ' was'} undone: the replica was a "
            "master already when Sentinel gave the failover up.",
            severity="slow",
            since_s=undone[0].at_s.middle,
            explains=("election", "promotion", "unattributed"),
            rows=tuple(line.text for line in undone),
            advice="Set failover-timeout well above the second between two INFO replies that Sentinel waits for.",
        )
