"""Who a fault is aimed at, decided from what is known of the system at that moment and not before."""

from chaos.cluster.health import Facts, master, replicas
from chaos.errors import FaultError
from chaos.model import Member
from chaos.record.events import TargetEntry


def select(which: str, facts: Facts) -> Member:
    """`master`, `replica` (the lowest ordinal) or a member's name; raises FaultError when there is none."""
    if which == "master":
        found = master(facts)
    elif which == "replica":
        found = min(replicas(facts), key=lambda member: (member.ordinal is None, member.ordinal), default=None)
    else:
        found = facts.members.get(which)
    if found is None:
        raise FaultError(f"there is no {which} to aim at; here are {', '.join(sorted(facts.members)) or 'no members'}")
    return found


def described(target: Member, facts: Facts) -> TargetEntry:
    """The target as events name it; the run id tells this life of the process from its next."""
    said = facts.role(target)
    return {
        "name": target.name,
        "ordinal": target.ordinal,
        "address": target.ip_port,
        "run_id": said.run_id if said else "",
    }
