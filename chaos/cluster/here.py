"""The checks of whether a system can run on this machine, for each place.

`failover doctor` prints the result of every check, `chaos.place` chooses kind if all its checks pass, and the platform
of kind makes them before it starts. (The platform of local calls `usable_level` and `servers.find` itself, because it
needs their results.) A check changes nothing, has a time limit, and returns a sentence. If something is missing, it
raises SetupError with how to install it.
"""

import asyncio
import shutil
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from chaos.cluster.base import Ability
from chaos.cluster.kube.kind import ASK_S, CANNOT, NEEDS_GIB, Kind, checkout, name_of, ran, run
from chaos.cluster.local import servers
from chaos.cluster.local.level import lacking, usable_level
from chaos.errors import SetupError
from chaos.scenario.places import LocalServer

ENGINE = "kind needs Docker: https://docs.docker.com/engine/install/"
MEMINFO = Path("/proc/meminfo")


async def engine() -> str:
    """Check that a container engine answers and that kind is installed."""
    if shutil.which("docker") is None:
        raise SetupError(f"no container engine: there is no docker command. {ENGINE}")
    asked = await ran("docker", "version", "--format", "{{.Server.Version}}", within_s=ASK_S)
    if not asked.ok:
        ended = "" if asked.last_line.endswith((".", "?")) else "."
        raise SetupError(f"no container engine: {asked.last_line}{ended} {ENGINE}")
    if shutil.which("kind") is None:
        raise SetupError("kind is not installed: https://kind.sigs.k8s.io/docs/user/quick-start/#installation")
    kind = (await run("kind", "version", "--quiet", within_s=ASK_S)).strip()
    return f"container engine: Docker {asked.out.strip()} · kind {kind} ({shutil.which('kind')})"


async def memory(meminfo: Path = MEMINFO) -> str:
    """Check that there is enough free memory for the nodes, or that the cluster of this checkout is up."""
    ours = Kind(name_of(checkout(Path.cwd())))
    if shutil.which("kind") and await ours.exists():
        return f"memory: cluster {ours.name} is up and has what it needs"
    free_gib = available_gib(await asyncio.to_thread(meminfo.read_text))
    if free_gib < NEEDS_GIB:
        raise SetupError(f"kind needs {NEEDS_GIB} GiB of memory, and {free_gib:.1f} GiB are free. End something")
    return f"memory {free_gib:.0f} GiB free (kind needs {NEEDS_GIB})"


async def level() -> str:
    """Say how local systems run here: in network namespaces, or at loopback addresses. Raises SetupError if neither."""
    return f"local: {await asyncio.to_thread(usable_level)}"


async def server() -> str:
    """Check that there is a redis-server or valkey-server."""
    return f"local: {await asyncio.to_thread(servers.find, LocalServer())}"


async def local_faults() -> str:
    """Return which faults cannot be made on local, and why."""
    found = await asyncio.to_thread(usable_level)
    cannot = await asyncio.to_thread(lacking, found, servers.find(LocalServer()))
    return _not_here("local", cannot)


async def kind_faults() -> str:
    """Return which faults cannot be made on kind, and why."""
    return _not_here("kind", await kind_cannot())


async def kind_cannot() -> dict[Ability, str]:
    """Return the abilities that kind lacks, with the reasons. The kernel's reasons are known only if the cluster of
    this checkout is up, since a node is asked.
    """
    ours = Kind(name_of(checkout(Path.cwd())))
    up = shutil.which("kind") and await ours.exists()
    return CANNOT | (await ours.missing_queues((await ours.nodes())[0]) if up else {})


def _not_here(place: str, cannot: Mapping[Ability, str]) -> str:
    """A line for each reason, with all that it keeps from being done."""
    reasons = {why: [one for one in cannot if cannot[one] == why] for why in cannot.values()}
    each = [f"- {', '.join(sorted(lacking))}: {why}" for why, lacking in reasons.items()]
    return "\n".join([f"{place}: an experiment that needs one of these cannot be played there", *each])


Check = Callable[[], Coroutine[Any, Any, str]]
CHECKS: dict[str, tuple[Check, ...]] = {"kind": (engine, memory), "local": (level, server)}
"""Maps each place to its checks."""
LACKING: dict[str, Check] = {"kind": kind_faults, "local": local_faults}
"""Maps each place to what cannot be done there, if its checks find nothing missing."""


async def require(place: str) -> None:
    """Raise SetupError for the first check of the place that fails."""
    for check in CHECKS[place]:
        await check()


def available_gib(meminfo: str) -> float:
    """Return how much memory is available without swapping, from the text of /proc/meminfo."""
    fields = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    return int(fields["MemAvailable"].split()[0]) / 2**20
