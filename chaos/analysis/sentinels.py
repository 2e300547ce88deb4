"""Reads what the Sentinels published and logged, and finds the failovers in it.

Sentinel writes the same text to its log and to pub/sub in one call. The stamp of the log is right to a millisecond.
Pub/sub is used where there is no log. Each Sentinel publishes only its own events. A failover is an epoch with
+try-failover. If no +sdown of the master came before, somebody requested the failover, and it has no detection and no
quorum.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile

from chaos.analysis.history import History
from chaos.analysis.interval import Interval
from chaos.model import MemberKind
from chaos.record.events import SentinelAddress, SentinelSaid

_NEAR_S = 2.0
"""A published and a logged event with the same words are one event if they are at most this many seconds apart."""
_PATTERN = r"(?::X .*? [.\-*#] |role=sentinel .*? message=\")[+-][a-z]"
"""Matches a log line that reports an event, in Redis's format and in Valkey's logfmt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """One event of one Sentinel. `evidence` is the raw log line, or the channel and payload as published."""

    sentinel: str
    channel: str
    payload: str
    at_s: Interval
    source: str
    evidence: str

    @property
    def words(self) -> list[str]:
        return self.payload.split()


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One failover that Sentinel tried: an epoch with +try-failover.

    `during` holds the leader's events and every +switch-master until the next attempt at `ends_s`. `sdown` and `odown`
    came before the attempt.
    """

    epoch: int
    started: Said
    elected: Said | None
    during: tuple[Said, ...]
    sdown: Said | None
    odown: Said | None
    ends_s: float

    @property
    def leader(self) -> str:
        return (self.elected or self.started).sentinel

    @property
    def requested(self) -> bool:
        return self.sdown is None

    @property
    def aborted(self) -> str:
        said = next((said for said in self.during if said.channel.startswith("-failover-abort")), None)
        return said.channel.removeprefix("-failover-abort-") if said else ""

    @property
    def successor(self) -> str:
        """The promoted replica's ip:port, from +switch-master or else from Sentinel's choice.

        Empty if no event names it.
        """
        switch = self.said("+switch-master")
        if switch:
            return f"{switch.words[3]}:{switch.words[4]}"
        chosen = self.said("+promoted-slave") or self.said("+selected-slave")
        return chosen.words[1] if chosen and not self.aborted else ""

    @property
    def completed(self) -> bool:
        return bool(self.said("+switch-master") or self.said("+promoted-slave"))

    def said(self, channel: str) -> Said | None:
        """Return the first event of this attempt on `channel`, from any Sentinel, or None."""
        return next((said for said in self.during if said.channel == channel), None)

    def switches(self) -> dict[str, Said]:
        """Return the first +switch-master of each Sentinel, by the Sentinel's name."""
        found: dict[str, Said] = {}
        for said in self.during:
            if said.channel == "+switch-master":
                found.setdefault(said.sentinel, said)
        return found


def called_down(said: Iterable[Said], state: str) -> dict[str, Said]:
    """Return each Sentinel's first +sdown (or +odown) of the master after t = 0, even if it was taken back later.

    An event from before t = 0 counts too if it was not taken back before t = 0.
    """
    found: dict[str, Said] = {}
    for one in said:
        of_master = one.words[:1] == ["master"]
        if one.channel == f"+{state}" and of_master:
            found.setdefault(one.sentinel, one)
        elif (one.channel == f"-{state}" and of_master and one.at_s.most < 0) or (
            one.channel == "+switch-master" and one.at_s.most < 0
        ):
            found.pop(one.sentinel, None)
    return found


def failover_was_due(history: History, said: tuple[Said, ...]) -> bool:
    """Return whether a quorum of Sentinels reported +sdown of the master after t = 0.

    A quorum that is greater than the number of Sentinels that no fault hit counts as all of these Sentinels. Such a
    system cannot fail over, but a failover is due all the same.
    """
    sentinels = history.names(MemberKind.SENTINEL)
    quorums = [str(of.get("quorum")) for of in history.recording.settings.get("sentinel", {}).values()]
    quorum = min((int(text) for text in quorums if text.isdigit()), default=len(sentinels) // 2 + 1)
    hit = {name for fault in history.faults for name in fault.hit}
    able = [name for name in sentinels if name not in hit] or sentinels
    down = [one for one in called_down(said, "sdown").values() if one.at_s.most > 0]
    return bool(down) and len(down) >= min(quorum, len(able))


def everything_said(history: History) -> list[Said]:
    """Return every event of every Sentinel since the trial began, each once, in order.

    Older log lines are left out; a system that was used before has them. Events about a master that is no member are
    left out, too: a Sentinel that was started anew watches the address in its template, such as 127.0.0.1, until
    somebody tells it of the master, and it reports that address as down.
    """
    published, logged = list(_published(history)), list(_logged(history))
    known: dict[tuple[str, str, str], list[float]] = {}
    for said in logged:
        known.setdefault((said.sentinel, said.channel, said.payload), []).append(said.at_s.least)
    alone = [
        said
        for said in published
        if not any(
            abs(at_s - said.at_s.most) < _NEAR_S for at_s in known.get((said.sentinel, said.channel, said.payload), ())
        )
    ]
    watched = _watched(history)
    mine = (said for said in [*logged, *alone] if said.at_s.most >= history.begin_s and watched(said))
    return sorted(mine, key=lambda said: (said.at_s, said.sentinel))


def attempts(said: list[Said]) -> list[Attempt]:
    """Return every failover that was tried, in order. Attempts of several Sentinels in one epoch are one failover."""
    tried: dict[int, Said] = {}
    for one in said:
        if one.channel == "+try-failover":
            tried.setdefault(_epoch(said, one), one)
    starts = sorted(tried.items(), key=lambda item: item[1].at_s)
    ends = [*(one.at_s.least for _, one in starts[1:]), float("inf")]
    return [_attempt(said, epoch, one, ends[n]) for n, (epoch, one) in enumerate(starts)]


def _attempt(said: list[Said], epoch: int, started: Said, ends_s: float) -> Attempt:
    during = tuple(one for one in said if started.at_s.least <= one.at_s.least < ends_s)
    elected = next((one for one in during if one.channel == "+elected-leader"), None)
    leader = (elected or started).sentinel
    master = started.words[2:4]  # events about another address, such as that of an operator's template, are left out
    mine = [one for one in said if one.words[:1] != ["master"] or one.words[2:4] == master]
    before = [one for one in mine if one.at_s.least <= started.at_s.least]
    return Attempt(
        epoch=epoch,
        started=started,
        elected=elected,
        during=tuple(one for one in during if one.sentinel == leader or one.channel == "+switch-master"),
        sdown=first_standing(before, "sdown"),
        odown=first_standing(before, "odown"),
        ends_s=ends_s,
    )


def first_standing(said: Iterable[Said], state: str) -> Said | None:
    """Return the first +sdown (or +odown) of the master that its Sentinel has not taken back by the end of `said`."""
    return min(standing(said, state).values(), key=lambda one: one.at_s, default=None)


def standing(said: Iterable[Said], state: str) -> dict[str, Said]:
    """Return each Sentinel's +sdown (or +odown) of the master, unless the Sentinel has taken it back."""
    found: dict[str, Said] = {}
    for one in said:
        if one.channel == f"+{state}" and one.words[:1] == ["master"]:
            found.setdefault(one.sentinel, one)
        elif one.channel in (f"-{state}", "+switch-master"):
            found.pop(one.sentinel, None)
    return found


def _epoch(said: list[Said], tried: Said) -> int:
    """Return the epoch of a +try-failover, or 0 if it is not known.

    The Sentinel's next +vote-for-leader has it, or else its last +new-epoch.
    """
    mine = [one for one in said if one.sentinel == tried.sentinel]
    at = mine.index(tried)
    until_next_try = takewhile(lambda one: one.channel != "+try-failover", mine[at + 1 : at + 4])
    votes = (one.words[-1] for one in until_next_try if one.channel == "+vote-for-leader")
    epochs = (one.payload for one in reversed(mine[:at]) if one.channel == "+new-epoch")
    text = next(votes, None) or next(epochs, "0")
    return int(text) if text.isdigit() else 0


def _watched(history: History) -> Callable[[Said], bool]:
    """Return a function that is true for events about this system's master, and for events about no master.

    This system's master is at a member's address, or at an address that most Sentinels named.
    """
    named: dict[str, set[str]] = {}
    for fact in history.facts(SentinelAddress):
        if fact.event.address:
            named.setdefault(fact.event.address, set()).add(fact.event.sentinel)
    sentinels = len(history.names(MemberKind.SENTINEL))

    def watched(said: Said) -> bool:
        if said.words[:1] != ["master"] or len(said.words) < 4:
            return True
        address = f"{said.words[2]}:{said.words[3]}"
        return history.has(address) or 2 * len(named.get(address, ())) > sentinels or not named

    return watched


def _published(history: History) -> Iterator[Said]:
    for fact in history.facts(SentinelSaid):
        event = fact.event
        yield Said(
            sentinel=event.sentinel,
            channel=event.channel,
            payload=event.payload,
            at_s=fact.at_s,
            source="sentinel",
            evidence=f"{event.sentinel}: {event.channel} {event.payload}",
        )


def _logged(history: History) -> Iterator[Said]:
    for line in history.lines("sentinel", _PATTERN):
        channel, _, payload = line.message.partition(" ")
        yield Said(
            sentinel=line.pod,
            channel=channel,
            payload=payload,
            at_s=line.at_s,
            source="sentinel-log",
            evidence=line.text,
        )
