"""Replicas that a Sentinel forgot because it was told SENTINEL RESET."""

from collections.abc import Iterator

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.analysis.sentinels import Said, should_have_come
from chaos.analysis.wording import listed
from chaos.record.events import SentinelState

TOGETHER_S = 5.0
"""Resets that are this near to each other count as one, since an operator resets every Sentinel in turn."""


def replicas_forgotten(measured: Measured) -> Iterator[Finding]:
    """Find resets between the first fault and the end of the failover.

    A Sentinel learns of its replicas from the master. While there is no master it learns of none, and can promote none.
    A reset after the failover is ordinary repair: it makes Sentinel forget the address that a pod had before. So is one
    in a trial in which no failover came and none was due.
    """
    if not measured.after_effect and not should_have_come(measured.history, measured.said):
        return
    switched_s = measured.middle_s("switched")
    begin_s = min((fault.requested_s for fault in measured.history.faults), default=0.0)
    end_s = measured.history.end_s if switched_s is None else switched_s
    groups: list[list[Said]] = []
    for one in measured.said:
        if one.channel != "+reset-master" or not begin_s <= one.at_s.middle <= end_s:
            continue
        if groups and one.at_s.least - groups[-1][-1].at_s.least < TOGETHER_S:
            groups[-1].append(one)
        else:
            groups.append([one])
    for group in groups:
        yield _finding(measured, group)


def _finding(measured: Measured, group: list[Said]) -> Finding:
    names, since_s = sorted({one.sentinel for one in group}), group[0].at_s.middle
    each_s = [_known_again_s(measured, name, since_s) for name in names]
    known_s = [at_s for at_s in each_s if at_s is not None]
    until_s = max(known_s) if len(known_s) == len(names) else None
    again = "did not know them again" if until_s is None else f"knew them again at {until_s:.1f} s"
    while_down = until_s is None or until_s > 0
    return Finding(
        name="replicas forgotten",
        sentence=f"{listed(names)} {'was' if len(names) == 1 else 'were'} told SENTINEL RESET at {since_s:.1f} s, "
        f"forgot {'its' if len(names) == 1 else 'their'} replicas, and {again}.",
        severity="slow" if while_down else "note",
        since_s=since_s,
        until_s=until_s,
        explains=("detection", "quorum", "election", "promotion", "unattributed"),
        rows=tuple(one.evidence for one in group),
        advice="Do not reset a Sentinel while its master is down: it then has no replica to promote."
        if while_down
        else "",
    )


def _known_again_s(measured: Measured, name: str, since_s: float) -> float | None:
    """Return when that Sentinel knew a replica again, or None if it never did.

    It is `since_s` if the Sentinel was never seen without one. Its state is read once a second, so that
    it may have been without one for a shorter time.
    """
    states = [one for one in measured.history.facts(SentinelState) if one.event.sentinel == name]
    after = [one for one in states if one.latest_s >= since_s]
    lost = next((one for one in after if one.event.num_slaves == 0), None)
    if lost is None:
        return since_s
    return next((one.latest_s for one in after if one.latest_s > lost.latest_s and one.event.num_slaves), None)
