"""Promotions that Sentinel aborted although the replica had become a master."""

from collections.abc import Iterator

from chaos.analysis.measured import Measured
from chaos.analysis.milestones import PROMOTED_LINE
from chaos.analysis.result import Finding
from chaos.analysis.sentinels import Attempt
from chaos.analysis.wording import plural
from chaos.findings.members import roles_of

INFO_S = 1.0
"""How often Sentinel asks a replica for its role during a failover. It cannot see a promotion sooner."""


def promotion_undone(measured: Measured) -> Iterator[Finding]:
    """Find aborted attempts whose replica had become a master, so that it may have acknowledged writes."""
    undone = [
        (attempt, became)
        for attempt in measured.attempts
        if attempt.aborted == "slave-timeout"
        and attempt.started.at_s.most > 0
        and (became := _became(measured, attempt))
    ]
    if not undone:
        return
    last, lasting = undone[-1][0], measured.attempt
    lasts = lasting is not None and lasting.completed and lasting.started.at_s > last.started.at_s
    until_s = lasting.started.at_s.middle if lasting and lasts else None
    (name, at_s, _), timeout_s = undone[0][1], measured.least_s("failover-timeout")
    aborted = [said for attempt, _ in undone if (said := attempt.said("-failover-abort-slave-timeout"))]
    within = "" if timeout_s is None else f", failover-timeout being {timeout_s:g} s"
    then = f" The one that lasted began at {until_s:.1f} s." if until_s is not None else ""
    yield Finding(
        name="promotion undone",
        sentence=f"{plural(len(undone), 'promotion')} {'was' if len(undone) == 1 else 'were'} undone: {name} was "
        f"master from {at_s:.1f} s on, and Sentinel, which had not seen it yet, gave up at "
        f"{aborted[0].at_s.middle:.1f} s{within}.{then}",
        severity="slow" if lasts else "out",
        since_s=at_s,
        until_s=until_s,
        explains=("detection", "quorum", "election", "promotion", "endpoint", "unattributed"),
        rows=(*(row for _, (_, _, row) in undone), *(said.evidence for said in aborted)),
        advice=f"Set failover-timeout to several seconds at least: Sentinel looks for the new role every {INFO_S:g} s.",
        price="A failover that found no leader is tried again only after twice that time.",
    )


def _became(measured: Measured, attempt: Attempt) -> tuple[str, float, str] | None:
    """Return which replica became a master in that attempt, when, and what shows it, or None if none did."""
    chosen = attempt.said("+selected-slave")
    name = measured.history.node(chosen.words[1]).name if chosen else ""
    begin_s, end_s = (chosen or attempt.started).at_s.least, attempt.ends_s
    for line in measured.history.lines("redis", PROMOTED_LINE):
        if name in ("", line.pod) and begin_s <= line.at_s.most and line.at_s.least < end_s:
            return line.pod, line.at_s.middle, line.text
    for fact in roles_of(measured.history, name):
        if fact.event.role == "master" and begin_s <= fact.latest_s < end_s:
            return name, fact.latest_s, f"{name}: ROLE says master"
    return None
