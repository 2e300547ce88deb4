"""Finds when the system is re-armed: from then on it would survive another failure of its master.

It is re-armed while all of the following is true. A majority of the Sentinels, and a quorum, answer and name one
master. That Redis says that it is master. One of its replicas is in sync, has a priority that lets Sentinel promote it,
and every one of these Sentinels lists it as an up replica of that master. None of these Sentinels waits for its
failover-timeout, and none is in TILT.

A Sentinel begins no failover for two failover-timeouts after it tried one or voted in one. If that failover was
completed, the Sentinel may begin the next one at once (sentinelResetMaster in sentinel.c).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from chaos.analysis.history import History
from chaos.analysis.interval import Interval
from chaos.analysis.result import NOT_APPLICABLE, Milestone, State
from chaos.analysis.sentinels import Said
from chaos.model import MemberKind
from chaos.record.events import Event, Role, RoleLost, SentinelBack, SentinelLost, SentinelState

DESYNC_S = 1.0
"""Sentinel adds up to this many seconds, by chance, to the time when its failover began (SENTINEL_MAX_DESYNC)."""
DEFAULT_TIMEOUT_S = 180.0
"""Sentinel's failover-timeout in seconds if neither the scenario nor a Sentinel says another."""
Told = Event | Said | None
"""An event, or None if only time has passed because a Sentinel's wait for its failover-timeout has ended."""


@dataclass
class Standing:
    """What is known of the Redis and the Sentinels at one moment.

    `waits` maps each Sentinel to when it may begin a failover again.
    """

    timeout_s: float
    never: frozenset[str]
    """The members that Sentinel may not promote."""
    one_text: Callable[[object], str]
    """Returns one text for all addresses of a member. A Sentinel may name a member by another address than ours."""
    roles: dict[str, Role] = field(default_factory=dict)
    states: dict[str, SentinelState] = field(default_factory=dict)
    silent: dict[str, SentinelState] = field(default_factory=dict)
    """The last state of each Sentinel that does not answer. It is valid again when the Sentinel answers again."""
    waits: dict[str, Interval] = field(default_factory=dict)
    tilted: set[str] = field(default_factory=set)

    def take(self, told: Told, at_s: Interval) -> None:
        """Update what is known by one event."""
        match told:
            case Role():
                self.roles[told.member] = told
            case RoleLost():
                self.roles.pop(told.member, None)
            case SentinelState():
                self.states[told.sentinel] = told
                self.silent.pop(told.sentinel, None)
            case SentinelLost():
                self.silent |= {told.sentinel: self.states.pop(told.sentinel)} if told.sentinel in self.states else {}
            case SentinelBack():
                self.states |= {told.sentinel: self.silent.pop(told.sentinel)} if told.sentinel in self.silent else {}
            case Said():
                self._hear(told, at_s)

    def _hear(self, said: Said, at_s: Interval) -> None:
        match said.channel:
            case "+try-failover" | "+vote-for-leader":
                waits_s = 2 * self.timeout_s
                self.waits[said.sentinel] = Interval(at_s.least + waits_s, at_s.most + waits_s + DESYNC_S)
            case "+switch-master":
                self.waits.pop(said.sentinel, None)
            case "+tilt":
                self.tilted.add(said.sentinel)
            case "-tilt":
                self.tilted.discard(said.sentinel)

    def lacks(self, at_s: float) -> str:
        """Return why the system would not survive another failure at this moment, or an empty string if it would."""
        states = list(self.states.values())
        known = max((state.num_other_sentinels + 1 for state in states), default=0)
        if not states or len(states) < max(known // 2 + 1, *(state.quorum for state in states)):
            return "too few Sentinels answer"
        addresses = {self.one_text(state.address) for state in states}
        if len(addresses) > 1 or any(state.flags != "master" for state in states):
            return "the Sentinels do not all name one master that is up"
        [master] = addresses
        if not any(role.role == "master" and self.one_text(role.address) == master for role in self.roles.values()):
            return f"{master} does not say that it is master"
        following = [one for one in self.roles.values() if one.role == "slave" and self.one_text(one.master) == master]
        good = [one for one in following if one.link == "up" and not one.syncing and one.member not in self.never]
        if not good:
            return f"no replica of {master} is in sync"
        known_by_all = {self.one_text(one.address) for one in good}
        for state in states:
            up = [one for one in state.replicas if one["flags"] == "slave" and self.one_text(one["master"]) == master]
            known_by_all &= {self.one_text(one["address"]) for one in up}
        if not known_by_all:
            return f"not every Sentinel knows a replica of {master} that is in sync"
        if waits := [name for name, wait in self.waits.items() if name in self.states and at_s < wait.most]:
            return f"{', '.join(waits)} waits for its failover-timeout"
        return f"{', '.join(sorted(self.tilted))} is in TILT" if self.tilted & self.states.keys() else ""


def rearmed(history: History, said: tuple[Said, ...]) -> Milestone | None:
    """Return when the system became re-armed for good, or None if no Sentinel was asked for its state.

    The evidence names earlier times in which the system was re-armed for a while, as between two resyncs of an
    operator. The milestone does not apply if the system was re-armed all along after t = 0.
    """
    if not history.facts(SentinelState) or history.effect_s is None:
        return None
    spells = lacked(history, said)
    since, lacking = spells[-1]
    lapses = [
        f"it had been since {armed_s.middle:.1f} s, and at {at_s.middle:.1f} s {lacks}"
        for (armed_s, before), (at_s, lacks) in pairwise(spells)
        if not before and armed_s.least > 0
    ]
    if lacking:
        return Milestone(state=State.NOT_YET, limit_s=history.end_s, source="sentinel", evidence=lacking)
    if since.most <= 0:
        return NOT_APPLICABLE
    names = ", ".join(sorted({fact.event.sentinel for fact in history.facts(SentinelState)}))
    text = f"{names} all know a replica in sync, and none waits for a failover-timeout"
    return Milestone.seen(since, "sentinel", "; ".join([text, *lapses]))


def lacked(history: History, said: tuple[Said, ...]) -> tuple[tuple[Interval, str], ...]:
    """Return pairs in the order of time: since when, and what kept the system from being re-armed from then on.

    The text is empty while the system is re-armed.
    """
    settings = history.recording.settings
    declared = str(history.scenario.system.settings.sentinel.get("failover-timeout"))
    timeouts = [str(one.get("failover-timeout", "")) for one in settings.get("sentinel", {}).values()] or [declared]
    redis = settings.get(MemberKind.REDIS.value, {})
    standing = Standing(
        timeout_s=max((int(text) / 1000 for text in timeouts if text.isdigit()), default=DEFAULT_TIMEOUT_S),
        never=frozenset(name for name, one in redis.items() if str(one.get("replica-priority", "")) == "0"),
        one_text=history.one_text,
    )
    found = [(Interval.at(history.begin_s), "nothing is known yet")]
    for at_s, told in _told(history, said, standing):
        standing.take(told, at_s)
        lacks = standing.lacks(at_s.most)
        if lacks != found[-1][1]:
            found.append((at_s, lacks))
    return tuple(found)


def _told(history: History, said: tuple[Said, ...], standing: Standing) -> Iterator[tuple[Interval, Told]]:
    """Yield every event in the order in which it became known, and None whenever a Sentinel's wait ends."""
    kinds = (Role, RoleLost, SentinelState, SentinelLost, SentinelBack)
    facts: list[tuple[Interval, Told]] = [(one.at_s, one) for one in said]
    for kind in kinds:
        facts += [(fact.at_s, fact.event) for fact in history.facts(kind)]
    found = sorted(facts, key=lambda one: one[0].most)
    for at_s, told in found:
        if at_s.most > history.end_s:
            break
        for wait in sorted(standing.waits.values(), key=lambda one: one.most):
            if wait.most <= at_s.most:
                yield wait, None
        yield at_s, told
    for wait in sorted(standing.waits.values(), key=lambda one: one.most):
        if wait.most <= history.end_s:
            yield wait, None
