"""A real local system, held by a real nest, for tests: `held` gives its cluster, its events and what they became."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.cluster.local.cluster import LocalCluster, connect
from chaos.cluster.local.level import NAMESPACES, Level
from chaos.cluster.local.servers import find, find_haproxy
from chaos.model import Member
from chaos.record.events import Stamped
from chaos.scenario import Scenario, load
from chaos.until import until
from tests.net.spaces import Space
from tests.saying import said as fields_of

WITHIN_S = 60.0
FULL = Level(NAMESPACES)
QUICK = {
    "system.settings.sentinel.down-after-milliseconds": "2000",
    "system.local.restart": "200ms",
    "system.local.replace.after": "300ms",
    "system.local.terminate": "2s",
}
"""Over the scenario `sentinel`, so that a test need not wait for what it is not about."""


def scenario(**settings: str) -> Scenario:
    """`local__ready="1s"` is `system.local.ready`."""
    named = {f"system.{key.replace('__', '.')}": value for key, value in settings.items()}
    return load("sentinel", QUICK | named).scenario


def reference(level: Level = FULL, wanted: Scenario | None = None) -> dict[str, str]:
    server = find(scenario().system.on_local.server)
    said = {"program": str(server.program), "server": server.kind, "version": server.version}
    said["haproxy"] = str(find_haproxy(wanted.system) or "") if wanted else ""
    return {"name": "local", "turn": "0", **said, "level": level.name, "cannot": json.dumps(level.cannot)}


@dataclass
class Held:
    cluster: LocalCluster
    directory: Path
    events: list[Stamped[Any]] = field(default_factory=list)
    following: asyncio.Task[None] = field(init=False)
    """It alone takes the cluster's events, and ends with the error that ends them."""

    def said(self, kind: str, **fields: object) -> list[Stamped[Any]]:
        """Every event of this kind that says this, in order."""
        return [one for one in self.events if one.event.kind == kind and fields.items() <= fields_of(one).items()]

    async def until(self, kind: str, **fields: object) -> Stamped[Any]:
        async def found() -> list[Stamped[Any]]:
            return self.said(kind, **fields)

        return (await until(found, within_s=WITHIN_S, because=f"{kind} {fields} was never said", every_s=0.02))[0]

    async def member(self, name: str) -> Member:
        return (await self.cluster.members())[name]

    async def follow(self) -> None:
        async for event in self.cluster.events():
            self.events.append(event)


@asynccontextmanager
async def held(directory: Path, wanted: Scenario | None = None, level: Level = FULL) -> AsyncIterator[Held]:
    async with connect(reference(level, wanted), wanted or scenario(), directory) as cluster:
        one = Held(cluster, directory)
        one.following = asyncio.create_task(one.follow())
        try:
            yield one
        finally:
            one.following.cancel()
            await asyncio.gather(one.following, return_exceptions=True)


def nest_pid(parent: int | None = None) -> int:
    """Of the one nest that this process, or `parent`, holds."""
    [pid] = [pid for pid in children(parent or os.getpid()) if "chaos.cluster.local.nest" in command(pid)]
    return pid


def children(pid: int) -> list[int]:
    """Of all threads of a process; one that ends meanwhile has none."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError, ProcessLookupError):
            found += [int(child) for child in file.read_text().split()]
    return found


def family(pid: int) -> list[int]:
    """A process and all below it."""
    return [pid, *(one for child in children(pid) for one in family(child))]


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def pid_of(name: str) -> int:
    """Of the member's process: it works in a folder of its name."""
    [pid] = [pid for pid in family(nest_pid())[1:] if Path(f"/proc/{pid}/cwd").readlink().parent.name == name]
    return pid


def reaches(pid: int, address: str) -> bool:
    """Whether a packet gets from where this process is to `address` and back."""
    return Space(pid, "").reaches(address)


def there(pids: list[int]) -> list[int]:
    """Those that still run; a process that nobody has reaped yet runs no more."""
    stats = {pid: Path(f"/proc/{pid}/stat") for pid in pids}
    return [pid for pid, stat in stats.items() if stat.exists() and stat.read_text().rpartition(")")[2][1] not in "ZX"]
