"""The plan of a nest, which it reads as the first line of its input: the system to run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from chaos.cluster.local.level import NAMESPACES
from chaos.cluster.local.servers import Server
from chaos.pipe import packed
from chaos.scenario.scenario import Scenario, System

LINE_BYTES = 1 << 24
"""The most bytes of a line. An agent's spec with all its clients is the longest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The system that a nest runs.

    `directory` is the trial's. `first` is the ordinal of the Redis that starts as master.

    `haproxy` is the HAProxy program, or None if the system has no proxy.
    """

    system: System
    server: Server
    directory: Path
    level: str = NAMESPACES
    first: int = 0
    haproxy: Path | None = None

    def line(self) -> bytes:
        server = {"program": str(self.server.program), "kind": self.server.kind, "version": self.server.version}
        system = self.system.model_dump(mode="json")
        rest = {"directory": str(self.directory), "level": self.level, "first": self.first}
        haproxy = str(self.haproxy) if self.haproxy else ""
        return packed({"system": system, "server": server, "haproxy": haproxy, **rest})

    @classmethod
    def parse(cls, line: bytes) -> Self:
        data = json.loads(line)
        server = data["server"]
        return cls(
            system=System.model_validate(data["system"]),
            server=Server(Path(server["program"]), server["kind"], server["version"]),
            directory=Path(data["directory"]),
            level=data["level"],
            first=data["first"],
            haproxy=Path(data["haproxy"]) if data["haproxy"] else None,
        )


def planned(ref: Mapping[str, str], scenario: Scenario, directory: Path) -> Plan:
    """Return the plan of one trial.

    Its `directory` is absolute, because the nest's processes run in other directories.
    """
    server = Server(Path(ref["program"]), "valkey" if ref["server"] == "valkey" else "redis", ref["version"])
    first = int(ref.get("turn", turn(directory))) % (scenario.system.replicas + 1)
    return Plan(
        system=scenario.system,
        server=server,
        directory=directory.absolute(),
        level=ref["level"],
        first=first,
        haproxy=Path(ref["haproxy"]) if ref.get("haproxy") else None,
    )


def turn(directory: Path) -> int:
    """Return the trial's number, from its directory's name. Each trial starts with another master.

    An operator may act in the order of names, so trials that always start with the same master would show only part of
    its behaviour.
    """
    number = directory.name.rpartition("-")[2]
    return int(number) if number.isdigit() else 0
