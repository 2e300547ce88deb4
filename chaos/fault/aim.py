"""Who a fault is aimed at: the words for targets, and how each is resolved from what is known at that moment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from chaos.cluster.health import IN_SYNC, Facts, master, replicas
from chaos.errors import FaultError
from chaos.model import Member, MemberKind

SYNONYMS = {"primary": "master", "slave": "replica", "secondary": "replica"}
NODE_OF = "node-of:"
"""Before a target: everybody on the machine of that one."""
Shape = Literal["isolate", "halves", "bridge"]
REACHED = (MemberKind.REDIS, MemberKind.SENTINEL, MemberKind.OPERATOR)
"""Who is on a side of a partition unless it is said otherwise. A proxy is on the clients' side."""
PRIORITY = 100
"""What replica-priority is where nothing else was read."""


def understood(which: str) -> str:
    """Return a target as it is called here: a primary is a master, a slave is a replica, and a name stays as it is."""
    word = which.lower()
    return SYNONYMS.get(word, word if word in TARGETS or word in GROUPS else which)


def select(which: str, facts: Facts) -> Member:
    """Return who a fault is aimed at, decided from what is known of the system at this moment and not before.

    `which` is one of TARGETS, one of SYNONYMS or a member's name. Raises FaultError if there is none.
    """
    word = understood(which)
    found = TARGETS[word](facts) if word in TARGETS else facts.members.get(which)
    if found is None:
        raise FaultError(f"there is no {which} to aim at; here are {', '.join(sorted(facts.members)) or 'no members'}")
    return found


def all_of(words: Sequence[str], facts: Facts) -> list[Member]:
    """Return everybody that these words mean together, each once: targets, GROUPS, and `node-of:` a target.

    Raises FaultError if a word means nobody.
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
    """Who is cut off from whom. `near` is the side of the target; who is on neither side reaches both."""

    near: list[Member]
    far: list[Member]


def sides(shape: Shape, targets: Sequence[Member], peers: Sequence[str], facts: Facts) -> Sides:
    """Return the two sides of a partition.

    isolate: the targets, and the peers; an operator is one of them only in a system that has one. halves: of the Redis
    and of the Sentinels the smaller half each, with the targets in it, and the larger half with the operator. bridge:
    the same, but one Sentinel of the larger half is on neither side.
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
    """Sentinel's order (sentinelSelectSlave): the lowest priority but 0, the highest offset, the lowest run id."""
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
"""The words for targets, each with who that is now, or None.

`replica` is the one with the lowest ordinal, and `best-replica` the one that Sentinel would promote. `sentinel-leader`
is the Sentinel that was elected last; there is none before the first election. `any-sentinel` is the first by name that
answers.
"""

GROUPS: dict[str, Callable[[Facts], list[Member]]] = {
    "other-replicas": lambda facts: [one for one in replicas(facts) if one != _best_replica(facts)],
    "redis": lambda facts: facts.of(MemberKind.REDIS),
    "sentinels": lambda facts: facts.of(MemberKind.SENTINEL),
    "two-sentinels": lambda facts: facts.of(MemberKind.SENTINEL)[:2],
    "proxies": lambda facts: facts.of(MemberKind.PROXY),
}
"""The words for several, which a fault hits at once. `other-replicas` are all but the `best-replica`."""
