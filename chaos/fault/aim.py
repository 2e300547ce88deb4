"""What a fault acts on, on whom, and when: the words of an experiment, resolved from the system's present state.

The moment of a fault is written as `when` of an action: `+odown`, `2 s after +odown`, `12 s after tick`, `5 s` (after
t = 0), `within 10 s` (random, by the trial's seed). Without it the fault is made at once.
"""

import difflib
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Self

from chaos.clock import HOST
from chaos.cluster.base import Cluster, Effect
from chaos.cluster.health import IN_SYNC, Facts, master, replicas
from chaos.errors import FaultError
from chaos.model import Member, MemberKind
from chaos.record.event_files import EventWriter
from chaos.undo import UndoJournal

SYNONYMS = {"primary": "master", "slave": "replica", "secondary": "replica"}
NODE_OF = "node-of:"
"""The prefix that turns a target into every member on the target's node."""
Shape = Literal["isolate", "halves", "bridge"]
REACHED = (MemberKind.REDIS, MemberKind.SENTINEL, MemberKind.OPERATOR)
"""The kinds of members on the sides of a partition. A proxy is on the clients' side."""
PRIORITY = 100
"""The default of replica-priority."""


@dataclass
class Scene:
    """What a fault needs to act and to record: the cluster, the present facts, and the events file of faults.

    `held` names the faults in force that last until they are healed, in the order of their application. `journal` says
    how to undo each of them. `look` reads the new part of the recording, which updates `facts`. `clients` is the IP
    address of the clients. `at_host` converts a time stamp of another clock to the host's.
    """

    cluster: Cluster
    facts: Facts
    events: EventWriter
    journal: UndoJournal
    held: list[str] = field(default_factory=list)
    look: Callable[[], None] = lambda: None
    clients: str = ""
    at_host: Callable[[str, int], int] = lambda _domain, at_ns: at_ns


def joined(scene: Scene, effects: Sequence[Effect]) -> Effect:
    """Return several effects as one, from the start of the first to the end of the last. It is proved if all are."""
    first, *more = effects
    if not more:
        return first
    domain = first.domain if all(one.domain == first.domain for one in more) else HOST
    place = (lambda _domain, at_ns: at_ns) if domain != HOST else scene.at_host
    confirmed = [one.confirmed_ns for one in effects if one.confirmed_ns is not None]
    unproved = [one for one in effects if one.confirmed_ns is None]
    return Effect(
        domain=domain,
        earliest_ns=min(place(one.domain, one.earliest_ns) for one in effects),
        latest_ns=max(place(one.domain, one.latest_ns) for one in effects),
        accepted_ns=max(one.accepted_ns for one in effects),
        confirmed_ns=None if unproved else max(confirmed),
        evidence="; ".join(one.evidence for one in unproved or effects),
    )


# On whom.


def understood(which: str) -> str:
    """Return a target in the project's words, such as master for primary. A member's name stays as it is."""
    word = which.lower()
    return SYNONYMS.get(word, word if word in TARGETS or word in GROUPS else which)


def select(which: str, facts: Facts) -> Member:
    """Return the member that is the target now.

    `which` is one of TARGETS, one of SYNONYMS or a member's name. Raises FaultError if there is no such member.
    """
    word = understood(which)
    found = TARGETS[word](facts) if word in TARGETS else facts.members.get(which)
    if found is None:
        raise FaultError(f"there is no {which} to aim at; here are {', '.join(sorted(facts.members)) or 'no members'}")
    return found


def all_of(words: Sequence[str], facts: Facts) -> list[Member]:
    """Return every member that these words name, each once. A word is a target, one of GROUPS, or `node-of:` and a
    target. Raises FaultError if a word names no member.
    """
    found: dict[str, Member] = {}
    for word in words:
        one = understood(word)
        if one in GROUPS:
            mine = GROUPS[one](facts)
            if not mine:
                raise FaultError(f"there are no {word} to aim at")
        elif one.startswith(NODE_OF):
            node = select(one.removeprefix(NODE_OF), facts).node
            mine = [member for member in facts.members.values() if member.node == node]
        else:
            mine = [select(word, facts)]
        found.update({member.name: member for member in mine})
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Sides:
    """The two sides of a partition. `near` is the target's side. A member on neither side reaches both."""

    near: list[Member]
    far: list[Member]


def sides(shape: Shape, targets: Sequence[Member], peers: Sequence[str], facts: Facts) -> Sides:
    """Return the two sides of a partition.

    - isolate: the targets, and the peers. `operator` is ignored in a system without one.
    - halves: the smaller half of the Redis and of the Sentinels, with the targets; the larger half, with the operator.
    - bridge: as halves, but one Sentinel of the larger half is on neither side.
    """
    near = {one.name: one for one in targets}
    if shape == "isolate":
        here = [word for word in peers if word != "operator" or _operator(facts)]
        far = [one for one in all_of(here, facts) if one.name not in near]
        return Sides(list(near.values()), far)
    for kind in (MemberKind.REDIS, MemberKind.SENTINEL):
        mine = sorted(facts.of(kind), key=lambda one: one.name not in near)
        near.update({one.name: one for one in mine[: len(mine) // 2]})
    far = [one for kind in REACHED for one in facts.of(kind) if one.name not in near]
    if shape == "bridge":
        far.remove(max((one for one in far if one.kind is MemberKind.SENTINEL), key=lambda one: one.name))
    return Sides(list(near.values()), far)


def _best_replica(facts: Facts) -> Member | None:
    """Return the replica that Sentinel would promote, or None. Sentinel's order (sentinelSelectSlave) is the lowest
    priority except 0, the highest offset, and the lowest run id.
    """
    order: dict[tuple[int, int, str], Member] = {}
    for one in replicas(facts):
        said, read = facts.roles[one.name], facts.settings.get(one.name)
        priority = int(read.settings.get("replica-priority", PRIORITY)) if read else PRIORITY
        if said.link == IN_SYNC and priority > 0:
            order[priority, -(said.offset or 0), said.run_id] = one
    return order[min(order)] if order else None


def _operator(facts: Facts) -> Member | None:
    return next(iter(facts.of(MemberKind.OPERATOR)), None)


TARGETS: dict[str, Callable[[Facts], Member | None]] = {
    "master": master,
    "replica": lambda facts: min(replicas(facts), key=lambda one: (one.ordinal is None, one.ordinal), default=None),
    "best-replica": _best_replica,
    "sentinel-leader": lambda facts: facts.members.get(facts.leader),
    "any-sentinel": lambda facts: next((one for one in facts.of(MemberKind.SENTINEL) if facts.sentinel(one)), None),
    "operator": _operator,
}
"""Maps each word for a target to the function that returns the member now, or None.

`replica` is the one with the lowest ordinal, and `best-replica` the one that Sentinel would promote. `sentinel-leader`
is the Sentinel that was elected last; before the first election there is none. `any-sentinel` is the first, by name,
that answers."""

GROUPS: dict[str, Callable[[Facts], list[Member]]] = {
    "other-replicas": lambda facts: [one for one in replicas(facts) if one != _best_replica(facts)],
    "redis": lambda facts: facts.of(MemberKind.REDIS),
    "sentinels": lambda facts: facts.of(MemberKind.SENTINEL),
    "two-sentinels": lambda facts: facts.of(MemberKind.SENTINEL)[:2],
    "proxies": lambda facts: facts.of(MemberKind.PROXY),
}
"""Maps each word for several members to the function that returns them. `other-replicas` are all but the
`best-replica`."""


# When.

PROMOTION = "promotion"
"""The word for the moment when another Redis first says that it is master. Most other words are Sentinel's events."""
TICK = "tick"
"""The word for the operator's next reconcile, known from Redis's count of CONFIG SET calls, which is polled every 0.5
s."""
EVENTS = (
    *("+monitor", "+set", "+reset-master", "+reboot", "+slave", "+sentinel", "+sentinel-address-switch"),
    *("+sentinel-address-update", "+sentinel-invalid-addr", "+sdown", "-sdown", "+odown", "-odown", "+tilt", "-tilt"),
    *("+new-epoch", "+config-update-from", "+try-failover", "+vote-for-leader", "+elected-leader", "+selected-slave"),
    *("+failover-state-select-slave", "+failover-state-send-slaveof-noone", "+failover-state-wait-promotion"),
    *("+failover-state-reconf-slaves", "+promoted-slave", "+slave-reconf-sent", "+slave-reconf-sent-be"),
    *("+slave-reconf-inprog", "+slave-reconf-done", "-slave-reconf-sent-timeout", "+failover-end"),
    *("+failover-end-for-timeout", "-failover-abort-not-elected", "-failover-abort-no-good-slave"),
    *("-failover-abort-slave-timeout", "-failover-abort-master-timeout", "+switch-master", "+convert-to-slave"),
    *("+fix-slave-config", "+role-change", "-role-change", "-cmd-link-reconnection", "-pubsub-link-reconnection"),
    *("+script-child", "-script-child", "-script-error", "-script-timeout"),
)
"""The events that a Sentinel publishes, from sentinel.c of Redis 6.2, Redis 7.0 and Valkey 9.1."""
_SECONDS = r"\d+(?:\.\d+)?"
_WRITTEN = re.compile(
    rf"within (?P<within>{_SECONDS}) s|(?:(?P<after>{_SECONDS}) s(?: after |$))?(?P<event>[+-]\S+|{PROMOTION}|{TICK})?"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """`after_s` seconds after `event`, or after t = 0 if `event` is empty.

    `within_s` is the longest random wait, 0 for none.
    """

    event: str = ""
    after_s: float = 0.0
    within_s: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the `when` of an action. Raises ValueError with examples of what can be written."""
        found = _WRITTEN.fullmatch(text)
        if found is None:
            known = "+odown, 2 s after +odown, promotion, 12 s after tick, 5 s, or within 10 s"
            raise ValueError(f'"{text}" is no moment; write {known}')
        if found["within"] and not float(found["within"]):
            raise ValueError(f'"{text}" is no wait; leave it out, or write within 10 s')
        event = found["event"] or ""
        if event[:1] in ("+", "-") and event not in EVENTS:
            near = difflib.get_close_matches(event, EVENTS, n=1)
            raise ValueError(f"Sentinel publishes no {event}{f'; did you mean {near[0]}?' if near else ''}")
        return cls(found["event"] or "", float(found["after"] or 0), float(found["within"] or 0))

    def random_s(self, seed: int) -> float:
        return random.Random(f"{seed}:moment").uniform(0.0, self.within_s)


def published(said: Counter[tuple[str, str]], event: str) -> int:
    """Return how often the Sentinels have published an event."""
    return sum(count for (_, channel), count in said.items() if channel == event)
