"""A cluster that does nothing and remembers what it was asked for, with members, facts and a scene for faults."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from chaos.cluster.base import Ability, Disturbance, Effect, Partition, Stop
from chaos.cluster.health import Facts
from chaos.fault.aim import Scene
from chaos.model import Member, MemberKind
from chaos.record.event_files import EventWriter, read_events
from chaos.record.events import Stamped
from chaos.undo import Undo, UndoJournal
from tests.saying import event

ISOLATED: dict[str, Any] = {
    "shape": "isolate",
    "peers": ["redis", "sentinels", "operator"],
    "clients": "both",
    "way": "both",
    "reject": False,
    "longest_s": 120,
}


def member(name: str, kind: MemberKind = MemberKind.REDIS, last: int = 0) -> Member:
    return Member(
        name=name,
        kind=kind,
        address=f"10.0.{5 + list(MemberKind).index(kind)}.{last}",
        port=6379,
        node="n",
        domain="node/n",
        uid=name,
        container=name,
        ordinal=last if kind is MemberKind.REDIS else None,
    )


MEMBERS = {
    one.name: one
    for one in [
        *(member(f"rfr-{n}", last=n) for n in range(3)),
        member("rfs-a", MemberKind.SENTINEL),
        member("operator", MemberKind.OPERATOR),
        member("haproxy", MemberKind.PROXY),
    ]
}
EFFECT = Effect(
    domain="node/n", earliest_ns=10, latest_ns=20, accepted_ns=21, confirmed_ns=30, evidence="process 7 is gone"
)


class Remembers:
    """A cluster that does nothing and remembers what it was asked for."""

    name = "remembers"
    cannot: Mapping[Ability, str] = MappingProxyType({})

    def __init__(self, effect: Effect = EFFECT, error: Exception | None = None) -> None:
        self.effect = effect
        self.error = error
        self.asked: list[Any] = []
        self.api: tuple[str, ...] = ()
        self.kept: list[list[str]] = []

    async def members(self) -> dict[str, Member]:
        return MEMBERS

    async def stop(self, target: Member, how: Stop) -> Effect:
        return self._did(target.name, how)

    async def api_server(self) -> tuple[str, ...]:
        return self.api

    async def probe(self, cut: Partition) -> None:
        """Nothing is asked for."""

    async def cut(self, cut: Partition) -> Effect:
        return self._did(cut)

    async def afflict(self, target: Member, do: str, **how: Any) -> Effect:
        return self._did(target.name, do, how)

    async def disturb(self, target: Member, how: Disturbance) -> Effect:
        return self._did(target.name, how)

    async def tell(self, target: Member, *command: str) -> Effect:
        return self._did(target.name, *command)

    async def heal(self) -> str:
        self._did("heal")
        return "it runs again"

    def undoing(self, fault: str, target: Member | None) -> Undo:
        what = f"{fault} of {target.name if target else 'nobody'}"
        return Undo(what=what, executor="none", where={}, request={}, by_hand=f"mend {target.name if target else ''}")

    async def keep(self, undos: Sequence[Undo]) -> None:
        self.kept.append([undo.what for undo in undos])

    def _did(self, *what: Any) -> Effect:
        self.asked.append(what[0] if len(what) == 1 else what)
        if self.error is not None:
            raise self.error
        return self.effect


def facts(masters: tuple[str, ...] = ("rfr-1",)) -> Facts:
    known = Facts()
    known.apply(event("members", members=[one.as_json() for one in MEMBERS.values()]))
    for name in ("rfr-0", "rfr-1", "rfr-2"):
        role = "master" if name in masters else "slave"
        known.apply(event("role", member=name, address=f"{MEMBERS[name].address}:6379", role=role, run_id=f"id-{name}"))
    return known


def scene(cluster: Remembers, writer: EventWriter) -> Scene:
    journal = UndoJournal(writer.path.parent, "trial-000", cluster.keep)
    return Scene(cluster, facts(), writer, journal)  # type: ignore[arg-type]  # the part of a cluster that faults use


def written(writer: EventWriter) -> list[Stamped[Any]]:
    return [one for one in read_events(writer.path) if one.event.kind.startswith("fault.")]
