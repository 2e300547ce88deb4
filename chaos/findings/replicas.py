"""Rules about replicas: none is good enough to be promoted, a promotion is undone, or a replica follows nobody."""

from collections.abc import Iterator

from chaos.analysis.measured import ASKED_S, Measured, masters_at_end
from chaos.analysis.milestones import PROMOTED_LINE
from chaos.analysis.result import Finding
from chaos.analysis.sentinels import Attempt, Said
from chaos.analysis.wording import listed, plural
from chaos.findings.members import aborted_text, back_as_master, setting_of
from chaos.model import MemberKind
from chaos.record.events import ReplicaEntry, SentinelState

ABORTED = "no-good-slave"


def no_good_replica(measured: Measured) -> Iterator[Finding]:
    """Find attempts that ended with -failover-abort-no-good-slave, and say why each replica was passed over."""
    tried = [one for one in measured.attempts if one.aborted == ABORTED and one.started.at_s.most > 0]
    aborted = [said for one in tried if (said := one.said(f"-failover-abort-{ABORTED}"))]
    if not aborted:
        return
    later = next((one for one in measured.attempts if one.completed and one.epoch > tried[-1].epoch), None)
    back = back_as_master(measured)
    last_s, until_s, over = aborted[-1].at_s.middle, None, ""
    if later:
        until_s = later.started.at_s.middle
        over = f" The one that lasted began at {until_s:.1f} s; a failover is tried again after 2 x failover-timeout."
    elif back and back.latest_s >= aborted[0].at_s.middle:
        until_s = back.latest_s
        over = f" It was over when {back.event.member} was back, at {until_s:.1f} s."
    elif back:  # Sentinel had not noticed yet that the master was back
        until_s, over = last_s, f" {back.event.member} had been back since {back.latest_s:.1f} s."
    reasons = reasons_by_replica(measured, aborted[0])
    low = [name for name, why in reasons.items() if why == PRIORITY]
    yield Finding(
        name="no good replica",
        sentence=f"{aborted_text(aborted)}, since there was no good replica: {_told(reasons)}.{over}",
        severity="out" if until_s is None else "slow",
        since_s=aborted[0].at_s.middle,
        until_s=until_s,
        explains=("election", "promotion", "unattributed"),
        rows=tuple(said.evidence for said in aborted),
        advice=f"Give {' or '.join(low)} a replica-priority above 0, so that Sentinel may promote it." if low else "",
        price="That replica can then become the master." if low else "",
    )


PRIORITY = "has replica-priority 0"
PLURAL = {"has": "have", "was": "were"}
"""The verbs with which a reason may begin, and their plurals."""


def reasons_by_replica(measured: Measured, aborted: Said) -> dict[str, str]:
    """Return why Sentinel passed over each replica that it knew then, as far as the recording shows it.

    Sentinel does not say why. It passes over a replica that it calls down or disconnected, that has replica-priority 0,
    whose INFO is older than 5 s while the master is down, or whose link to the master had been down for longer than ten
    times down-after-milliseconds when the master was called down.
    """
    history, at_s = measured.history, aborted.at_s.least
    told = [one for one in history.facts(SentinelState) if one.event.sentinel == aborted.sentinel]
    before = [one for one in told if one.latest_s <= at_s]
    known = before[-1].event.replicas if before else []
    if not before:
        hit = measured.target.name if measured.target else ""
        others = [name for name in history.names(MemberKind.REDIS) if name != hit]
        known = [ReplicaEntry(address=name, flags="", master="") for name in others]
    found = {}
    for replica in known:
        name = history.node(replica["address"]).name
        found[name] = _against(measured, name, replica["flags"], at_s)
    return found


def _against(measured: Measured, name: str, flags: str, at_s: float) -> str:
    if setting_of(measured, name, "replica-priority", at_s) == "0":
        return PRIORITY
    if "s_down" in flags or "o_down" in flags:
        return "was down itself"
    if "disconnected" in flags:
        return "was not connected to Sentinel"
    up = [fact.latest_s for fact in measured.history.roles_of(name) if fact.event.link == "up" and fact.latest_s < at_s]
    down_s, limit_s = at_s - (up[-1] if up else measured.history.begin_s), measured.least_s("down-after-milliseconds")
    sdown_s = measured.middle_s("sdown") or 0.0
    if limit_s is not None and down_s > 10 * limit_s + max(0.0, at_s - sdown_s):
        return f"had had no link to its master for {down_s:.0f} s"
    return "may have been passed over for an INFO that was older than 5 s"


def _told(reasons: dict[str, str]) -> str:
    """Return the reasons in a sentence, as in `redis-1 and redis-2 have replica-priority 0`."""
    if not reasons:
        return "the Sentinel that led it knew of no replica"
    by_reason: dict[str, list[str]] = {}
    for name, why in reasons.items():
        by_reason.setdefault(why, []).append(name)
    each = []
    for why, names in by_reason.items():
        verb, _, rest = why.partition(" ")
        each.append(f"{listed(names)} {verb if len(names) == 1 else PLURAL.get(verb, verb)} {rest}")
    return "; ".join(each)


INFO_S = 1.0
"""How often, in seconds, Sentinel asks a replica for its role during a failover. It cannot see a promotion sooner."""


def promotion_undone(measured: Measured) -> Iterator[Finding]:
    """Find aborted attempts whose replica had become a master, and so may have acknowledged writes."""
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
    """Return the replica that was seen to become a master in an attempted failover, or None if none was.

    With it come the seconds from t = 0, and the evidence: a line of its log, or else what it said to ROLE.
    """
    chosen = attempt.said("+selected-slave")
    name = measured.history.node(chosen.words[1]).name if chosen else ""
    begin_s, end_s = (chosen or attempt.started).at_s.least, attempt.ends_s
    for line in measured.history.lines("redis", PROMOTED_LINE):
        if name in ("", line.pod) and begin_s <= line.at_s.most and line.at_s.least < end_s:
            return line.pod, line.at_s.middle, line.text
    for fact in measured.history.roles_of(name):
        if fact.event.role == "master" and begin_s <= fact.latest_s < end_s:
            return name, fact.latest_s, f"{name}: ROLE says master"
    return None


COPYING_S = 10.0
"""A replica may still be copying the master's data this many seconds after it began to follow.

A master first waits 5 s.
"""


def replica_astray(measured: Measured) -> Iterator[Finding]:
    """Find a replica that at the end had no link to the one master, or followed another Redis."""
    history = measured.history
    masters = masters_at_end(history) or []
    if len(masters) != 1:
        return
    master = history.roles_of(masters[0])[-1].event
    for name in history.names(MemberKind.REDIS):
        said = history.roles_of(name)
        if not said or said[-1].latest_s < history.end_s - ASKED_S or said[-1].event.role != "slave":
            continue
        last = said[-1].event
        follows = history.same(last.master, master.address)
        if follows and last.link == "up":
            continue
        since_s = next(
            (one.latest_s for one in said[::-1] if (one.event.master, one.event.link) != (last.master, last.link)), 0.0
        )
        if follows and history.end_s - since_s < COPYING_S:
            continue
        whom = "has no link to it" if follows else f"follows {last.master}, which is not the master"
        yield Finding(
            name="replica astray",
            sentence=f"{name} {whom} ({masters[0]} is the master), from {since_s:.1f} s until the end.",
            severity="note",
            since_s=since_s,
            explains=("after recovery",),
            rows=(f"{name}: ROLE says replica of {last.master}, {last.link}",),
        )
