"""Failovers that were aborted because Sentinel would promote none of the replicas, and why not."""

from collections.abc import Iterator

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.analysis.sentinels import Said
from chaos.analysis.wording import listed
from chaos.findings.members import aborted_text, back_as_master, roles_of, setting_of
from chaos.model import MemberKind
from chaos.record.events import ReplicaEntry, SentinelState

ABORTED = "no-good-slave"


def no_good_replica(measured: Measured) -> Iterator[Finding]:
    """Find attempts that ended with -failover-abort-no-good-slave, and what spoke against each replica."""
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
    elif back:  # Sentinel had not noticed yet that it was
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
"""The verbs that reasons begin with and that are others of several replicas."""


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
    up = [
        fact.latest_s for fact in roles_of(measured.history, name) if fact.event.link == "up" and fact.latest_s < at_s
    ]
    down_s, limit_s = at_s - (up[-1] if up else measured.history.begin_s), measured.least_s("down-after-milliseconds")
    sdown_s = measured.middle_s("sdown") or 0.0
    if limit_s is not None and down_s > 10 * limit_s + max(0.0, at_s - sdown_s):
        return f"had had no link to its master for {down_s:.0f} s"
    return "may have been passed over for an INFO that was older than 5 s"


def _told(reasons: dict[str, str]) -> str:
    """Say the reasons, as in `redis-1 and redis-2 have replica-priority 0`."""
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
