"""The levels at which this machine may let a system be held, and what each can do."""

from dataclasses import dataclass

from chaos.cluster.base import Ability

NAMESPACES, LOOPBACK, SAMPLE = "namespaces", "loopback", "sample"

HOW = {
    NAMESPACES: "processes in network namespaces of this machine",
    LOOPBACK: "processes at loopback addresses of this machine",
    SAMPLE: "nothing, but for failover report --sample",
}
CAN = {
    NAMESPACES: frozenset(Ability),
    LOOPBACK: frozenset(Ability) - {Ability.CUT},
    SAMPLE: frozenset[Ability](),
}


@dataclass(frozen=True, slots=True)
class Level:
    """`why` is what keeps the machine from the level above, as a clause; empty for the first."""

    name: str
    why: str = ""

    @property
    def can(self) -> frozenset[Ability]:
        return CAN[self.name]

    @property
    def lost(self) -> str:
        """Why it can do no more, for a sentence; empty where it can do everything."""
        if self.name == NAMESPACES:
            return ""
        return f"at the level {self.name} no member has a network of its own that could be cut ({self.why})"

    def __str__(self) -> str:
        """For people: how a system is held, what is lost, and why."""
        missing = ", ".join(sorted(CAN[NAMESPACES] - self.can))
        lost = f" (level {self.name}: {self.why}; lost: {missing})" if missing else ""
        return HOW[self.name] + lost
