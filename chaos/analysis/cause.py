"""Explains why an outage was as long as it was, by its phases and the findings.

The text names the longest phase and the findings that explain it. If no finding explains it, the text says what that
phase is, or which source was silent.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from chaos.analysis.measured import Measured
from chaos.analysis.result import Finding, LostSpell, PathResult, State, Window
from chaos.analysis.wording import percent, plural, seconds, seconds_text

PROMISED_S = 1.0
"""A spell of lost writes that lasts longer than this many seconds comes from a master that was replaced."""
UNATTRIBUTED = "unattributed"
MUCH = 0.1
"""A finding that held for this share of the outage is mentioned even if it does not explain the longest phase."""

PHASE_IS = {
    "detection": "Sentinel calls a master down only after down-after-milliseconds",
    "quorum": "the other Sentinels took that long to agree that the master was down",
    "trigger": "it took that long from the fault until a Sentinel was asked to fail over",
    "election": "the Sentinels took that long to agree on a leader",
    "promotion": "the elected leader took that long until the replica was a master",
    "routing": "the Service named the new master, and its address led there only that much later",
    "reconnection": "the address was right, and the clients took that long to use it",
}


def cause(measured: Measured, paths: Collection[PathResult], findings: Sequence[Finding]) -> str:
    """Return why the path that was out longest was out, and what stayed out or was lost.

    Return an empty string if there is nothing to explain.
    """
    path = longest(paths)
    said: list[str] = []
    if path and path.head:
        said = [_of_window(measured, path, path.head, findings), _promised(measured, path, path.head)]
    elif measured.origin and measured.history.expects != "nothing":
        said = [one.sentence for one in findings if UNATTRIBUTED in one.explains][:1]
    never = [one.sentence for one in findings if one.severity in ("lost", "out")]
    told = [text for text in said if text]
    return " ".join([*told, *(text for text in dict.fromkeys(never) if not any(text in one for one in told))])


def longest(paths: Iterable[PathResult]) -> PathResult | None:
    """Return the path that was out longest, or None. A path that never came back counts as the longest."""
    out = [path for path in paths if path.working and path.head]
    return max(out, key=_outage_s, default=None)


def longest_s(paths: Iterable[PathResult]) -> float:
    """Return how many seconds the longest outage lasted, by which trials are ranked. It is infinite without an end."""
    path = longest(paths)
    return _outage_s(path) if path else 0.0


def dominating(window: Window) -> str:
    """Return the longest phase of a window, or `unattributed` if the time that belongs to no phase is longer."""
    phase = max(window.phases, key=lambda phase: phase.seconds, default=None)
    return phase.name if phase and phase.seconds >= window.unattributed_s else UNATTRIBUTED


def called(phase: str) -> str:
    """Return the name of a phase for a sentence, as in `88 % of the outage is the endpoint phase`."""
    return "attributed to no phase" if phase == UNATTRIBUTED else f"the {phase} phase"


def share(window: Window, name: str) -> float:
    """Return the share of a window that a phase takes, from 0 to 1. `name` may also be `unattributed`."""
    seconds = {phase.name: phase.seconds for phase in window.phases} | {UNATTRIBUTED: window.unattributed_s}
    return seconds[name] / (sum(seconds.values()) or 1.0)


def explaining(findings: Iterable[Finding], phase: str, window: Window) -> list[Finding]:
    """Return the findings that may explain `phase` and that held while the phase lasted."""
    spans = [(one.start_s, one.end_s) for one in window.phases if one.name == phase]
    end_s = window.end_s.most if window.end_s else float("inf")
    begin_s, until_s = spans[0] if spans else (window.onset_s.least, end_s)
    return [
        one
        for one in findings
        if phase in one.explains and one.since_s <= until_s and (one.until_s is None or one.until_s >= begin_s)
    ]


def _of_window(measured: Measured, path: PathResult, head: Window, findings: Sequence[Finding]) -> str:
    phase = dominating(head) if head.end_s else UNATTRIBUTED
    explained = explaining(findings, phase, head)
    why = " ".join(dict.fromkeys(one.sentence for one in explained))
    beside = " ".join(one.sentence for one in _beside(findings, head) if one not in explained)
    if head.end_s is None:
        while_what = "while the fault lasted" if head.censored == "heal" else "while the trial watched"
        text = f"{path.address} did not come back on {path.connection} connections {while_what}"
        return f"{text} ({seconds_text(head.length_s)}){_pointed(measured, path)}. {why}".strip()
    text = f"{percent(share(head, phase))} of the outage through {path.address} is {called(phase)}"
    if why:
        return f"{text}. {why} {beside}".strip()
    if phase == UNATTRIBUTED:
        spell = _promise(measured, path)
        if spell and _lasted_s(spell) >= head.unattributed_s / 2:
            text = f"{percent(share(head, phase))} of the outage through {path.address} passed while {spell.node}, "
            return f"{text}which had been replaced, still acknowledged writes. {beside}".strip()
        text += f": {_silent(measured, path)}."
    elif phase == "endpoint":
        text += f": {_endpoint(measured, path)}."
    else:
        text += f": {PHASE_IS[phase]}."
    return f"{text} {beside}".strip()


def _beside(findings: Iterable[Finding], head: Window) -> Iterator[Finding]:
    """Yield the findings of severity `slow` that held for much of the window."""
    begin_s, end_s = head.onset_s.middle, head.end_s.middle if head.end_s else head.onset_s.middle
    for one in findings:
        until_s = end_s if one.until_s is None else min(one.until_s, end_s)
        phases = [phase for phase in one.explains if phase != "after recovery"]
        if one.severity == "slow" and phases and until_s - max(one.since_s, begin_s) >= MUCH * (end_s - begin_s) > 0:
            yield one


def _endpoint(measured: Measured, path: PathResult) -> str:
    if path.via_sentinel:
        return "the Sentinel that was asked named the new master that much later than it was promoted"
    if path.pointer and path.pointer.source == "proxy":
        return "HAProxy called the new master up that much later than it was promoted"
    by_operator = measured.operator.pointer_cause(measured)
    return by_operator or "the Service named the new master that much later than it was promoted"


def _pointed(measured: Measured, path: PathResult) -> str:
    """Return a text if the path's address never led to the promoted replica, or an empty string if it did."""
    successor, promoted_s = measured.successor, measured.middle_s("promoted")
    if path.pointer is None or path.pointer.state is not State.NOT_YET or successor is None:
        return ""
    at = "" if promoted_s is None else f" at {seconds(promoted_s)}"
    return f": it never named {successor.name}, which was promoted{at}"


def _silent(measured: Measured, path: PathResult) -> str:
    """Return a text that says which milestones were not seen, and whether a source that could show them was there."""
    if not measured.milestones:
        return "nothing but the clients saw it"
    own = {"pointer": path.pointer, "routable": path.routable}
    due = {**measured.milestones, **{name: it for name, it in own.items() if it}}
    never = [name for name, it in due.items() if it.state is State.NOT_YET]
    blind = [name for name, it in due.items() if it.state is State.UNOBSERVED]
    if blind:
        return f"no source that shows {', '.join(blind)} was recorded"
    if never:
        return f"{', '.join(never)} did not come while the trial watched"
    if all(it.state is State.NOT_APPLICABLE for it in measured.milestones.values()):
        return "there was no failover, and none was due"
    return "no observation of Sentinel, Redis or the platform falls into it"


def _promise(measured: Measured, path: PathResult) -> LostSpell | None:
    """Return the longest spell of this path's lost writes that a replaced or isolated master acknowledged, or None."""
    spells = [spell for spell in measured.losses.places if spell.path == path.name and spell.lost_class == "after"]
    return max((spell for spell in spells if _lasted_s(spell) > PROMISED_S), key=_lasted_s, default=None)


def _promised(measured: Measured, path: PathResult, head: Window) -> str:
    """Return a sentence that says how long a replaced or isolated master acknowledged writes that are lost.

    Return an empty string if none did.
    """
    spell = _promise(measured, path)
    if spell is None:
        return ""
    seen = next((window for window in path.windows if window.kind == "seen" and window.when == "fault"), None)
    hit = measured.target is not None and spell.node == measured.target.name
    demoted = " after it was demoted" if hit and measured.history.heal_s is None else ""
    saw = f"saw an outage of {seconds_text(seen.length_s)} only" if seen else "saw no outage"
    told = "" if seen and seen.length_s == head.length_s else f"; these clients {saw}"
    return (
        f"To the clients of {path.name}, {spell.node} went on saying OK for {seconds(_lasted_s(spell))}{demoted}: "
        f"{plural(spell.count, 'write')} that {'is' if spell.count == 1 else 'are'} lost{told}."
    )


def _lasted_s(spell: LostSpell) -> float:
    return spell.to_s - spell.from_s


def _outage_s(path: PathResult) -> float:
    if path.outage_s is None:
        return 0.0
    return float("inf") if path.outage_s.is_open else path.outage_s.middle
