"""Sentinels that could not agree: a quorum that is out of reach, and a leader without a majority."""

import re
from collections.abc import Iterator

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding, State
from chaos.analysis.sentinels import called_down
from chaos.model import MemberKind


def quorum_out_of_reach(measured: Measured) -> Iterator[Finding]:
    """Sentinels called the master down, and no one said +odown: fewer agreed than the quorum asks for."""
    odown = measured.milestones.get("odown")
    down = [one for one in called_down(measured.said, "sdown").values() if one.at_s.most > 0]
    quorums = [int(text) for text in measured.setting("sentinel", "quorum").values() if text.isdigit()]
    sentinels = len(measured.history.names(MemberKind.SENTINEL))
    if not down or not quorums or odown is None or odown.state is not State.NOT_YET or len(down) >= min(quorums):
        return
    first_s = min(one.at_s.middle for one in down)
    only = f", and there are only {sentinels} Sentinels" if min(quorums) > sentinels else ""
    yield Finding(
        name="quorum out of reach",
        sentence=f"{len(down)} Sentinels said +sdown, first at {first_s:.1f} s, and +odown never came: "
        f"{len(down)} of the {min(quorums)} that the quorum asks for agreed{only}.",
        severity="out",
        since_s=first_s,
        explains=("quorum", "unattributed"),
        rows=tuple(one.evidence for one in down),
        advice=f"Set the quorum to at most {sentinels // 2 + 1}, a majority of {sentinels} Sentinels.",
    )


def no_majority(measured: Measured) -> Iterator[Finding]:
    """Failovers that were tried and never elected a leader."""
    mine = [one for one in measured.after_effect if one.aborted == "not-elected"]
    sentinels = len(measured.history.names(MemberKind.SENTINEL))
    if not mine:
        return
    needed = sentinels // 2 + 1
    started = [one.milestones["try_failover"].at_s for one in mine]
    since_s = min(at_s.middle for at_s in started if at_s)
    votes = {
        one.sentinel
        for one in measured.said
        if one.channel == "+vote-for-leader" and one.at_s.most > 0 and re.search(r"\d+$", one.payload)
    }
    yield Finding(
        name="no majority for a leader",
        sentence=f"{_times(len(mine))} no leader was elected: {needed} of {sentinels} Sentinels have to vote for one, "
        f"and {len(votes)} voted at all.",
        severity="slow" if any(not one.aborted for one in measured.after_effect) else "out",
        since_s=since_s,
        explains=("election", "unattributed"),
        rows=tuple(one.evidence for one in measured.said if one.channel == "-failover-abort-not-elected"),
        advice=f"Run at least three Sentinels on machines of their own: with {sentinels} of them "
        f"{sentinels - needed} may be lost.",
    )


def _times(count: int) -> str:
    return "Once" if count == 1 else f"{count} times"
