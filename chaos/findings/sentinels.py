"""Rules about Sentinels: quorum or majority out of reach, TILT, SENTINEL RESET, a refused request, and disagreement."""

import math
from collections.abc import Iterator

from chaos.analysis.history import Fact
from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.analysis.sentinels import Attempt, Said, called_down, failover_was_due
from chaos.analysis.wording import listed, plural
from chaos.findings.members import aborted_text, back_as_master, quorum, sentinels_gone
from chaos.model import MemberKind
from chaos.record.events import FailoverAsked, SentinelAddress, SentinelLost, SentinelState

ASKING_S = 3.0
"""A Sentinel that calls the master down asks the others every second. In this many seconds it has asked each twice."""


def quorum_out_of_reach(measured: Measured) -> Iterator[Finding]:
    """Find a +sdown of the master that no +odown followed although the other Sentinels had time to answer."""
    history, needed = measured.history, quorum(measured)
    down = called_down(measured.said, "sdown")
    if not down or needed is None or called_down(measured.said, "odown"):
        return
    since_s = min(said.at_s.middle for said in down.values())
    until_s = _taken_back_s(measured, down)
    if (history.end_s if until_s is None else until_s) - since_s < ASKING_S:
        return
    sentinels = history.names(MemberKind.SENTINEL)
    said = f"{plural(len(down), 'Sentinel')} said +sdown, the first at {since_s:.1f} s, and +odown never came"
    advice = ""
    if needed > len(sentinels):
        why = f"quorum is {needed}, and there are only {plural(len(sentinels), 'Sentinel')}"
        advice = f"Set quorum to {len(sentinels) // 2 + 1}, a majority of {plural(len(sentinels), 'Sentinel')}."
    else:
        gone = [name for name in sentinels_gone(measured, since_s + ASKING_S) if name not in down]
        others = gone or [name for name in sentinels if name not in down]
        why = f"quorum is {needed}, and {listed(others)} did not {'answer' if gone else 'agree'}"
        if len(down) >= needed:
            why = f"quorum is {needed}, and they did not hear of each other"
    yield Finding(
        name="quorum out of reach",
        sentence=f"{said}: {why}.",
        severity="out" if until_s is None else "slow",
        since_s=since_s,
        until_s=until_s,
        explains=("quorum", "unattributed"),
        rows=tuple(said.evidence for said in down.values()),
        advice=advice,
    )


def _taken_back_s(measured: Measured, down: dict[str, Said]) -> float | None:
    """Return when the last Sentinel of `down` took its +sdown back, or None if one never did."""
    back: dict[str, float] = {}
    for said in measured.said:
        of_master = said.channel == "-sdown" and said.words[:1] == ["master"] and said.sentinel in down
        if of_master and said.at_s.least >= down[said.sentinel].at_s.least:
            back.setdefault(said.sentinel, said.at_s.middle)
    return max(back.values()) if len(back) == len(down) else None


def no_majority(measured: Measured) -> Iterator[Finding]:
    """Find elections that could not be won, because fewer Sentinels answered than votes are needed."""
    failed = [one for one in _not_elected(measured) if not _could_be_won(measured, one)]
    if not failed:
        return
    first, sentinels = failed[0], measured.history.names(MemberKind.SENTINEL)
    gone = sentinels_gone(measured, _ended_s(first))
    is_or_are = "is" if len(gone) == 1 else "are"
    tries = aborted_text([said for one in failed if (said := one.said("-failover-abort-not-elected"))])
    later = next((one for one in measured.attempts if one.elected and one.epoch > failed[-1].epoch), None)
    back = back_as_master(measured)
    until_s = later.started.at_s.middle if later else back.latest_s if back else None
    few = len(sentinels) < 3
    yield Finding(
        name="no majority for a leader",
        sentence=f"A leader needs {votes_needed(measured)} of {len(sentinels)} votes, and {first.leader} got "
        f"{len(votes(measured, first))}: {listed(gone)} {is_or_are} gone. {tries}.",
        severity="out" if until_s is None else "slow",
        since_s=first.started.at_s.middle,
        until_s=until_s,
        explains=("election", "unattributed"),
        rows=_rows(measured, failed),
        advice=f"Run three Sentinels or more: of {len(sentinels)}, no majority survives the loss of one."
        if few
        else "",
        price="One more machine, since a Sentinel beside another is lost with it." if few else "",
    )


def election_repeated(measured: Measured) -> Iterator[Finding]:
    """Find elections that were not won although enough Sentinels answered, and the wait until the next election."""
    failed = [one for one in _not_elected(measured) if _could_be_won(measured, one)]
    if not failed:
        return
    first, last = failed[0], failed[-1]
    following = next((one for one in measured.attempts if one.started.at_s > last.started.at_s), None)
    timeout_s, sentinels = measured.least_s("failover-timeout"), measured.history.names(MemberKind.SENTINEL)
    got = f"{first.leader} got {len(votes(measured, first))} of the {votes_needed(measured)} votes that a leader needs"
    told = aborted_text([said for one in failed if (said := one.said("-failover-abort-not-elected"))])
    wait = f"; another may begin only 2 x failover-timeout ({2 * timeout_s:g} s) after it" if timeout_s else ""
    began = f", and began at {following.started.at_s.middle:.1f} s" if following and wait else ""
    yield Finding(
        name="election repeated",
        sentence=f"{told}, for want of a leader: {got} of {len(sentinels)}{wait}{began}.",
        severity="slow" if following else "out",
        since_s=first.started.at_s.middle,
        until_s=following.started.at_s.middle if following else None,
        explains=("election", "unattributed"),
        rows=_rows(measured, failed),
        advice="Shorten failover-timeout: a failover that found no leader is tried again after twice that time.",
        price="A failover that takes longer than failover-timeout, as with a large data set, is given up.",
    )


def votes(measured: Measured, attempt: Attempt) -> list[str]:
    """Return the Sentinels that voted for the Sentinel that began an attempt. It votes for itself, too."""
    cast = [
        (one.sentinel, one.words[0])
        for one in measured.said
        if one.channel == "+vote-for-leader" and one.words[1:] == [str(attempt.epoch)]
    ]
    itself = next((candidate for sentinel, candidate in cast if sentinel == attempt.started.sentinel), None)
    return sorted({sentinel for sentinel, candidate in cast if candidate == itself})


def votes_needed(measured: Measured) -> int:
    """Return how many votes a leader needs: a majority of all known Sentinels, and no fewer than the quorum."""
    majority = len(measured.history.names(MemberKind.SENTINEL)) // 2 + 1
    return max(majority, quorum(measured) or 0)


def _not_elected(measured: Measured) -> list[Attempt]:
    return [one for one in measured.attempts if one.aborted == "not-elected" and one.started.at_s.most > 0]


def _could_be_won(measured: Measured, attempt: Attempt) -> bool:
    history = measured.history
    there = len(history.names(MemberKind.SENTINEL)) - len(sentinels_gone(measured, _ended_s(attempt)))
    return there >= votes_needed(measured)


def _ended_s(attempt: Attempt) -> float:
    aborted = attempt.said("-failover-abort-not-elected")
    return aborted.at_s.least if aborted else attempt.ends_s


def _rows(measured: Measured, failed: list[Attempt]) -> tuple[str, ...]:
    epochs = {str(one.epoch) for one in failed}
    cast = [one for one in measured.said if one.channel == "+vote-for-leader" and one.words[-1] in epochs]
    aborted = [one.said("-failover-abort-not-elected") for one in failed]
    said = [*(one.started for one in failed), *cast, *(one for one in aborted if one)]
    return tuple(one.evidence for one in sorted(said, key=lambda one: one.at_s))


WHY = {
    "NOGOODSLAVE": "it had no replica that it would promote",
    "INPROG": "a failover was under way already",
}
"""Maps the first word of the reply to SENTINEL FAILOVER to its meaning."""


def requested_failover_refused(measured: Measured) -> Iterator[Finding]:
    """Find a SENTINEL FAILOVER that a member sent before it ended and that was answered with an error."""
    for fact in measured.history.facts(FailoverAsked):
        asked, code = fact.event, fact.event.reply.partition(" ")[0]
        if code == "OK":
            continue
        down_s = measured.middle_s("sdown")
        then = (
            f" It was called down at {down_s:.1f} s instead." if down_s is not None and down_s > fact.latest_s else ""
        )
        yield Finding(
            name="requested failover refused",
            sentence=f"{asked.member} asked {asked.sentinel} for a failover at {fact.latest_s:.1f} s and was refused "
            f"({code}): {WHY.get(code, asked.reply)}.{then}",
            severity="slow",
            since_s=fact.latest_s,
            until_s=down_s,
            explains=("trigger", "detection", "unattributed"),
            rows=(f"{asked.sentinel} to SENTINEL FAILOVER: {asked.reply}",),
        )


TILT_S = 30
"""How many seconds TILT lasts at least."""


def tilt(measured: Measured) -> Iterator[Finding]:
    """Find the times in which Sentinels were in TILT, from +tilt to -tilt.

    Sentinels that were in TILT at the same time share one finding.
    """
    together: list[list[tuple[Said, Said | None]]] = []
    over_s: dict[str, float] = {}
    for entered in sorted((one for one in measured.said if one.channel == "+tilt"), key=lambda one: one.at_s.middle):
        begin_s = entered.at_s.middle
        if begin_s < over_s.get(entered.sentinel, -math.inf):
            continue  # it was late once more while it was in TILT
        left = next(
            (
                one
                for one in measured.said
                if one.channel == "-tilt" and one.sentinel == entered.sentinel and one.at_s >= entered.at_s
            ),
            None,
        )
        if not together or begin_s > max(over_s[one.sentinel] for one, _ in together[-1]):
            together.append([])
        together[-1].append((entered, left))
        over_s[entered.sentinel] = left.at_s.middle if left else math.inf
    for spells in together:
        names = sorted({entered.sentinel for entered, _ in spells})
        since_s = spells[0][0].at_s.middle
        until_s = max(left.at_s.middle if left else math.inf for _, left in spells)
        until = f"until {until_s:.1f} s" if math.isfinite(until_s) else "until the end"
        were, whose, each = ("were", "a", "each") if len(names) > 1 else ("was", "its", "it")
        yield Finding(
            name="TILT",
            sentence=f"{listed(names)} {were} in TILT from {since_s:.1f} s {until}: {whose} timer had come more than "
            f"2 s late, or {whose} clock had jumped. For {TILT_S} s {each} then takes no part in any failover.",
            severity="slow",
            since_s=since_s,
            until_s=until_s if math.isfinite(until_s) else None,
            explains=("detection", "quorum", "election", "promotion", "endpoint", "unattributed"),
            rows=tuple(said.evidence for spell in spells for said in spell if said),
            advice="Give every Sentinel a core that it need not wait for, and a clock that does not jump.",
        )


TOGETHER_S = 5.0
"""Resets that are at most this many seconds apart count as one, since an operator resets every Sentinel in turn."""


def replicas_forgotten(measured: Measured) -> Iterator[Finding]:
    """Find resets of Sentinels between the first fault and the end of the failover.

    A Sentinel learns of its replicas from the master. While there is no master it learns of none, and can promote none.
    A reset after the failover is ordinary repair: it makes Sentinel forget the address that a pod had before. A reset
    in a trial without a failover that came or was due is ordinary repair, too.
    """
    if not measured.after_effect and not failover_was_due(measured.history, measured.said):
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
        yield _forgotten(measured, group)


def _forgotten(measured: Measured, group: list[Said]) -> Finding:
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
    """Return when a Sentinel knew a replica again after a reset, or None if it never did.

    Return `since_s` if the Sentinel was never seen without a replica. Its state is read once a second, so it may have
    been without one for a shorter time.
    """
    states = [one for one in measured.history.facts(SentinelState) if one.event.sentinel == name]
    after = [one for one in states if one.latest_s >= since_s]
    lost = next((one for one in after if one.event.num_slaves == 0), None)
    if lost is None:
        return since_s
    return next((one.latest_s for one in after if one.latest_s > lost.latest_s and one.event.num_slaves), None)


APART_S = 1.0
"""The other Sentinels hear of a new master within this many seconds, from the leader's own hello."""


def sentinels_disagree(measured: Measured) -> Iterator[Finding]:
    """Find the times in which the Sentinels that answered named different masters."""
    history = measured.history
    told: list[Fact[SentinelAddress] | Fact[SentinelLost]]
    told = sorted([*history.facts(SentinelAddress), *history.facts(SentinelLost)], key=lambda one: one.latest_s)
    named: dict[str, str] = {}
    since_s: float | None = None
    views: dict[str, str] = {}
    for number, fact in enumerate(told):
        event = fact.event
        named.pop(event.sentinel, None)
        if isinstance(event, SentinelAddress) and event.address:
            named[event.sentinel] = event.address
        differ = len(set(named.values())) > 1
        if differ and since_s is None:
            since_s = fact.latest_s
        if differ:
            views = dict(named)
        next_s = told[number + 1].earliest_s if number + 1 < len(told) else history.end_s
        if since_s is not None and (not differ or number + 1 == len(told)):
            until_s = None if differ else fact.earliest_s
            if (next_s if until_s is None else until_s) - since_s > APART_S and (until_s is None or until_s > 0):
                yield _disagreement(measured, views, since_s, until_s)
            since_s = None


def _disagreement(measured: Measured, views: dict[str, str], since_s: float, until_s: float | None) -> Finding:
    each = "; ".join(f"{name} {measured.history.node(address).name}" for name, address in sorted(views.items()))
    until = "until the end" if until_s is None else f"until {until_s:.1f} s"
    return Finding(
        name="Sentinels disagree",
        sentence=f"The Sentinels named different masters from {since_s:.1f} s {until}: {each}.",
        severity="slow" if until_s is not None else "out",
        since_s=since_s,
        until_s=until_s,
        explains=("endpoint", "routing", "reconnection", "unattributed", "after recovery"),
        rows=tuple(f"{name}: GET-MASTER-ADDR-BY-NAME says {address}" for name, address in sorted(views.items())),
    )
