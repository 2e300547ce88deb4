"""Can a system run here? The checks of each place, for everybody who asks.

`failover doctor` prints every answer, `chaos.place` takes kind where it lacks nothing, and the platform of kind asks
before it begins; the platform of local asks `usable_level` and `servers.find` itself, since it needs what they
found. A check changes nothing, has a time limit, answers with what it found, and raises SetupError with what brings
what is missing.
"""

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from chaos.cluster.base import Ability
from chaos.cluster.kube.kind import ASK_S, NEEDS_GIB, Kind, checkout, name_of, ran, run
from chaos.cluster.kube.lacking import CANNOT
from chaos.cluster.local import servers
from chaos.cluster.local.level import lacking, usable_level
from chaos.errors import SetupError
from chaos.scenario.places import LocalServer

ENGINE = "kind needs Docker: https://docs.docker.com/engine/install/"
MEMINFO = Path("/proc/meminfo")


async def engine() -> str:
    """A container engine that answers, and kind."""
    if shutil.which("docker") is None:
        raise SetupError(f"no container engine: there is no docker command. {ENGINE}")
    asked = await ran("docker", "version", "--format", "{{.Server.Version}}", within_s=ASK_S)
    if not asked.ok:
        raise SetupError(f"no container engine: {asked.last_line}. {ENGINE}")
    if shutil.which("kind") is None:
        raise SetupError("kind is not installed: https://kind.sigs.k8s.io/docs/user/quick-start/#installation")
    kind = (await run("kind", "version", "--quiet", within_s=ASK_S)).strip()
    return f"container engine: Docker {asked.out.strip()} · kind {kind} ({shutil.which('kind')})"


async def memory(meminfo: Path = MEMINFO) -> str:
    """Enough free memory for the nodes; a cluster of this checkout that is up already has what it needs."""
    ours = Kind(name_of(checkout(Path.cwd())))
    if shutil.which("kind") and await ours.exists():
        return f"memory: cluster {ours.name} is up and has what it needs"
    free_gib = available_gib(await asyncio.to_thread(meminfo.read_text))
    if free_gib < NEEDS_GIB:
        raise SetupError(f"kind needs {NEEDS_GIB} GiB of memory, and {free_gib:.1f} GiB are free. End something")
    return f"memory {free_gib:.0f} GiB free (kind needs {NEEDS_GIB})"


async def level() -> str:
    """Namespaces, or else loopback addresses, for processes of our own."""
    return f"local: {await asyncio.to_thread(usable_level)}"


async def server() -> str:
    """A redis-server or valkey-server."""
    return f"local: {await asyncio.to_thread(servers.find, LocalServer())}"


async def local_faults() -> str:
    """Which faults cannot be made on local, and why not."""
    found = await asyncio.to_thread(usable_level)
    cannot = await asyncio.to_thread(lacking, found, servers.find(LocalServer()))
    return _not_here("local", cannot)


async def kind_faults() -> str:
    """Which faults cannot be made on kind, and why not."""
    return _not_here("kind", await kind_cannot())


async def kind_cannot() -> dict[Ability, str]:
    """What cannot be done on kind; the kernel is asked through a node, where the cluster of this checkout is up."""
    ours = Kind(name_of(checkout(Path.cwd())))
    up = shutil.which("kind") and await ours.exists()
    return CANNOT | (await ours.missing_queues((await ours.nodes())[0]) if up else {})


def _not_here(place: str, cannot: Mapping[Ability, str]) -> str:
    return f"{place}: no " + "; no ".join(f"{one} ({why})" for one, why in cannot.items())


Check = Callable[[], Coroutine[Any, Any, str]]
CHECKS: dict[str, tuple[Check, ...]] = {"kind": (engine, memory, kind_faults), "local": (level, server, local_faults)}
"""What has to be there, by the place where a system would run."""


async def require(place: str) -> None:
    """Raises SetupError for the first thing that is missing, with what brings it."""
    for check in CHECKS[place]:
        await check()


def available_gib(meminfo: str) -> float:
    """What the kernel says can be had without swapping."""
    fields = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    return int(fields["MemAvailable"].split()[0]) / 2**20
