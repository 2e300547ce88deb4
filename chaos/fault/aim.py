"""Who a fault is aimed at: the words for targets, and how each is resolved from what is known at that moment."""

from collections.abc import Callable

from chaos.cluster.health import IN_SYNC, Facts, master, replicas
from chaos.errors import FaultError
from chaos.model import Member, MemberKind

SYNONYMS = {"primary": "master", "slave": "replica", "secondary": "replica"}
PRIORITY = 100
"""What replica-priority is where nothing else was read."""


def understood(which: str) -> str:
    """A target as it is called here: a primary is a master, a slave is a replica, and a name stays as it is."""
    word = which.lower()
    return SYNONYMS.get(word, word if word in TARGETS else which)


def select(which: str, facts: Facts) -> Member:
    """Who a fault is aimed at, decided from what is known of the system at this moment and not before.

    `which` is one of TARGETS, one of SYNONYMS or a member's name. Raises FaultError if there is none.
    """
    word = understood(which)
    found = TARGETS[word](facts) if word in TARGETS else facts.members.get(which)
    if found is None:
        raise FaultError(f"there is no {which} to aim at; here are {', '.join(sorted(facts.members)) or 'no members'}")
    return found


def _first_replica(facts: Facts) -> Member | None:
    return min(replicas(facts), key=lambda member: (member.ordinal is None, member.ordinal), default=None)


def _best_replica(facts: Facts) -> Member | None:
    """Sentinel's order (sentinelSelectSlave): the lowest priority but 0, the highest offset, the lowest run id."""
    order: dict[tuple[int, int, str], Member] = {}
    for one in replicas(facts):
        said, read = facts.roles[one.name], facts.settings.get(one.name)
        priority = int(read.settings.get("replica-priority", PRIORITY)) if read else PRIORITY
        if said.link == IN_SYNC and priority > 0:
            order[priority, -(said.offset or 0), said.run_id] = one
    return order[min(order)] if order else None


def _sentinel_leader(facts: Facts) -> Member | None:
    """The Sentinel that was elected last. There is none before the first election."""
    return facts.members.get(facts.leader)


def _any_sentinel(facts: Facts) -> Member | None:
    """The first by name that answers."""
    return next((one for one in facts.of(MemberKind.SENTINEL) if facts.sentinel(one)), None)


def _operator(facts: Facts) -> Member | None:
    return next(iter(facts.of(MemberKind.OPERATOR)), None)


TARGETS: dict[str, Callable[[Facts], Member | None]] = {
    "master": master,
    "replica": _first_replica,
    "best-replica": _best_replica,
    "sentinel-leader": _sentinel_leader,
    "any-sentinel": _any_sentinel,
    "operator": _operator,
}
"""The words for targets. `replica` is the one with the lowest ordinal."""
