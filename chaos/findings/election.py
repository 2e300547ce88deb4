"""Failovers that got no leader, because too few Sentinels were left to vote or because their votes were split."""

from collections.abc import Iterator

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.analysis.sentinels import Attempt
from chaos.analysis.wording import listed
from chaos.findings.members import aborted_text, back_as_master, quorum, sentinels_gone
from chaos.model import MemberKind


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
    """Find elections that were not won although enough Sentinels answered, and tell of the wait until the next one."""
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
    """Return the Sentinels that voted for the one that began that attempt. It votes for itself, too."""
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
