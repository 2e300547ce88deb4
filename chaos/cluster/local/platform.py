"""`--on local`: find out whether this machine can run a system, at which level, and with which server.

The worker of each trial turns the platform's `ref` into the plan of a nest, which is a process that runs one system.
"""

import asyncio
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter

from chaos.access import REDIS, SENTINEL, Accesses
from chaos.clock import mono_ns
from chaos.cluster.base import PlatformOptions, Versions
from chaos.cluster.local import servers
from chaos.cluster.local.level import NAMESPACES, lacking, usable_level
from chaos.errors import ScenarioError, SetupError
from chaos.progress import Message, Tell
from chaos.scenario.scenario import Scenario, System

LINE_BYTES = 1 << 24
"""The most bytes of a line of a nest's input. An agent's spec with all its clients is the longest."""


class LocalPlatform:
    """The platform of local trials. It makes nothing that lasts, so nothing is deployed, kept or removed."""

    kind = "local"
    name = "local"

    def __init__(self, scenario: Scenario, _folder: Path, options: PlatformOptions) -> None:
        if options.agent_image is not None:
            raise ScenarioError("--agent-image: on local the agent is a process; leave it out, or add --on kind")
        self._system = scenario.system
        self._tell = options.tell

    async def __aenter__(self) -> Self:
        begun_ns = mono_ns()
        self._level = await asyncio.to_thread(usable_level)
        local = self._system.on_local
        self._server = await asyncio.to_thread(servers.find, local.server, tls=local.tls is not None)
        self._haproxy = servers.find_haproxy(self._system)
        self.cannot = await asyncio.to_thread(lacking, self._level, self._server)
        if local.tls is not None:
            servers.find_openssl()
        accesses = Accesses.from_environment()
        for asks, access, prefix in ((local, accesses.redis, REDIS), (local.sentinel, accesses.sentinel, SENTINEL)):
            if asks.password == "environment" and not access.password:
                missing = f"neither {prefix}PASSWORD nor {prefix}PASSWORD_FILE has one"
                raise SetupError(f"password: environment: {missing}; set one of them, or write `password: generated`")
        seconds = (mono_ns() - begun_ns) / 1e9
        text = f"{self._level} · {self._server}"
        self._tell(Message(Tell.STEP, {"name": "cluster", "text": text, "seconds": seconds}))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing. Every system has ended with its worker."""

    async def deploy(self, *, fresh: bool = False, nth: int = 0) -> None:
        """Do nothing. Every trial starts its own system."""

    def ref(self) -> dict[str, str]:
        return {
            "module": "chaos.cluster.local.cluster",
            "name": self.name,
            "program": str(self._server.program),
            "server": self._server.kind,
            "version": self._server.version,
            "haproxy": str(self._haproxy or ""),
            "level": self._level.name,
            "cannot": json.dumps(self.cannot),
        }

    def versions(self) -> Versions:
        return Versions(
            platform={"server": str(self._server), "kernel": platform.release(), "isolation": self._level.name},
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The system that a nest runs, which it reads as the first line of its input.

    `directory` is the trial's. `first` is the ordinal of the Redis that starts as master. `haproxy` is the HAProxy
    program, or None if the system has no proxy.
    """

    system: System
    server: servers.Server
    directory: Path
    level: str = NAMESPACES
    first: int = 0
    haproxy: Path | None = None

    def line(self) -> bytes:
        return _PLAN.dump_json(self) + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> "Plan":
        return _PLAN.validate_json(line)


_PLAN = TypeAdapter(Plan)


def planned(ref: Mapping[str, str], scenario: Scenario, directory: Path) -> Plan:
    """Return the plan of one trial. Its `directory` is absolute, since the nest's processes run elsewhere.

    Each trial starts with another master, by its `turn`. An operator may act in the order of names, so trials that
    always start with the same master would show only part of its behaviour.
    """
    server = servers.Server(Path(ref["program"]), "valkey" if ref["server"] == "valkey" else "redis", ref["version"])
    return Plan(
        system=scenario.system,
        server=server,
        directory=directory.absolute(),
        level=ref["level"],
        first=int(ref["turn"]) % (scenario.system.replicas + 1),
        haproxy=Path(ref["haproxy"]) if ref.get("haproxy") else None,
    )
