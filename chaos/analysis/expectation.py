"""Whether a failover should have come, and who was master at the end."""

from chaos.analysis.history import History
from chaos.analysis.sentinels import Said, called_down
from chaos.model import MemberKind
from chaos.record.events import Role, RoleLost

ASKED_S = 3.0
"""ROLE is told at least once a second while a Redis answers: one that was not told for longer was not asked."""


def should_have_come(history: History, said: tuple[Said, ...]) -> bool:
    """Whether the master was down in the eyes of a quorum of Sentinels for longer than down-after-milliseconds.

    That is what +sdown of the master says. A quorum above the number of Sentinels counts as all of them: that such a
    system cannot fail over does not mean that it need not.
    """
    sentinels = history.names(MemberKind.SENTINEL)
    quorums = [str(of.get("quorum")) for of in history.recording.settings.get("sentinel", {}).values()]
    quorum = min((int(text) for text in quorums if text.isdigit()), default=len(sentinels) // 2 + 1)
    hit = {fault.target.name for fault in history.faults if fault.target}
    able = [name for name in sentinels if name not in hit] or sentinels
    down = [one for one in called_down(said, "sdown").values() if one.at_s.most > 0]
    return bool(down) and len(down) >= min(quorum, len(able))


def masters_at_end(history: History) -> list[str] | None:
    """Who said last that it is master, of those that still answered when the trial ended; None: nobody was asked."""
    last: dict[str, tuple[float, str]] = {}
    for fact in history.facts(Role):
        last[fact.event.member] = (fact.latest_s, fact.event.role)
    for lost in history.facts(RoleLost):
        if lost.latest_s >= last.get(lost.event.member, (float("-inf"), ""))[0]:
            last.pop(lost.event.member, None)
    still = {name: role for name, (at_s, role) in last.items() if at_s >= history.end_s - ASKED_S}
    if not still and not history.facts(RoleLost):
        return None
    return sorted(name for name, role in still.items() if role == "master")
