"""The scene of a fault, which is what it needs to act and to record, and the joining of several effects into one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chaos.clock import HOST
from chaos.cluster.base import Cluster, Effect
from chaos.cluster.health import Facts
from chaos.record.event_files import EventWriter
from chaos.undo import UndoJournal


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
