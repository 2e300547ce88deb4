"""Sentinels that called the master down, and did not find enough others that agreed."""

from collections.abc import Iterator

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding
from chaos.analysis.sentinels import Said, called_down
from chaos.analysis.wording import listed, plural
from chaos.findings.members import quorum, sentinels_gone
from chaos.model import MemberKind

ASKED_S = 3.0
"""A Sentinel that calls the master down asks the others every second, so that it has asked each twice in this time."""


def quorum_out_of_reach(measured: Measured) -> Iterator[Finding]:
    """Find a +sdown that stood for longer than the others need to answer, and that no +odown followed."""
    history, needed = measured.history, quorum(measured)
    down = called_down(measured.said, "sdown")
    if not down or needed is None or called_down(measured.said, "odown"):
        return
    since_s = min(said.at_s.middle for said in down.values())
    until_s = _taken_back_s(measured, down)
    if (history.end_s if until_s is None else until_s) - since_s < ASKED_S:
        return
    sentinels = history.names(MemberKind.SENTINEL)
    said = f"{plural(len(down), 'Sentinel')} said +sdown, the first at {since_s:.1f} s, and +odown never came"
    advice = ""
    if needed > len(sentinels):
        why = f"quorum is {needed}, and there are only {plural(len(sentinels), 'Sentinel')}"
        advice = f"Set quorum to {len(sentinels) // 2 + 1}, a majority of {plural(len(sentinels), 'Sentinel')}."
    else:
        gone = [name for name in sentinels_gone(measured, since_s + ASKED_S) if name not in down]
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
    """Return when the last of them took its +sdown back, or None if one never did."""
    back: dict[str, float] = {}
    for said in measured.said:
        of_master = said.channel == "-sdown" and said.words[:1] == ["master"] and said.sentinel in down
        if of_master and said.at_s.least >= down[said.sentinel].at_s.least:
            back.setdefault(said.sentinel, said.at_s.middle)
    return max(back.values()) if len(back) == len(down) else None
