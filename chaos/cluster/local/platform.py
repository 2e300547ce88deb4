"""`--on local`: find out whether this machine can run a system, at which level, and with which server.

The worker of each trial starts a new system for it, and ends it.
"""

import asyncio
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from chaos.access import REDIS, SENTINEL, Accesses
from chaos.clock import mono_ns
from chaos.cluster.base import Ability, PlatformOptions, Versions
from chaos.cluster.local import servers
from chaos.cluster.local.certificates import openssl
from chaos.cluster.local.level import lacking, usable_level
from chaos.errors import ScenarioError, SetupError
from chaos.progress import Message, Tell
from chaos.scenario.places import LocalSystem
from chaos.scenario.scenario import Scenario


class LocalPlatform:
    """The platform of local trials.

    It makes nothing that lasts, so there is nothing to deploy, to `keep` or to remove.
    """

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
        self._cannot = await asyncio.to_thread(lacking, self._level, self._server)
        if local.tls is not None:
            openssl()
        _with_passwords(local)
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

    @property
    def can(self) -> frozenset[Ability]:
        return frozenset(Ability) - self._cannot.keys()

    @property
    def cannot(self) -> Mapping[Ability, str]:
        return self._cannot

    def ref(self) -> dict[str, str]:
        return {
            "module": "chaos.cluster.local.cluster",
            "kind": self.kind,
            "name": self.name,
            "program": str(self._server.program),
            "server": self._server.kind,
            "version": self._server.version,
            "haproxy": str(self._haproxy or ""),
            "level": self._level.name,
            "level_why": self._level.why,
            "cannot": json.dumps(self._cannot),
        }

    def versions(self) -> Versions:
        return Versions(
            platform={"server": str(self._server), "kernel": platform.release(), "isolation": self._level.name},
        )


def _with_passwords(local: LocalSystem) -> None:
    """Raise SetupError if the environment lacks a password that the scenario takes from it."""
    accesses = Accesses.from_environment()
    asking = ((local, accesses.redis, REDIS), (local.sentinel, accesses.sentinel, SENTINEL))
    for asks, access, prefix in asking:
        if asks.password == "environment" and not access.password:
            missing = f"neither {prefix}PASSWORD nor {prefix}PASSWORD_FILE has one"
            raise SetupError(f"password: environment: {missing}; set one of them, or write `password: generated`")
