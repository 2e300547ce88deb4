"""A cluster of real processes on loopback: the rig as a trial sees it, with the real agent beside it.

For one thing the cluster in memory cannot show: that a whole trial measures a real failover. There are no Services
here; clients ask Sentinel, or write to the first master's own address.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from chaos.agent.orders import QUIT, AgentSpec
from chaos.clock import AGENT, mono_ns, node_domain
from chaos.cluster.base import Ability, Disturbance, Effect, Members, Partition, RunningAgent, Stop
from chaos.errors import SetupError
from chaos.model import Member
from chaos.record.events import Event, Stamped, domain_event
from chaos.scenario import Scenario
from chaos.undo import Undo
from tests.rig import NODE, Rig, running
from tests.saying import stamped


class RigAgent:
    """The real agent, which records straight into the trial's directory: nothing has to be carried."""

    domain, address = AGENT, "127.0.0.1"

    def __init__(self, process: asyncio.subprocess.Process, directory: Path) -> None:
        self._process = process
        self._directory = directory

    async def put(self, path: str, text: str) -> None:
        file = self._directory / path
        file.parent.mkdir(exist_ok=True)
        new = file.with_suffix(".new")
        new.write_text(text)
        new.replace(file)

    async def pull(self) -> None:
        if self._process.returncode is not None:
            raise SetupError(f"the agent ended with {self._process.returncode}")

    async def close(self) -> None:
        await self.put(QUIT, "{}")
        await asyncio.wait_for(self._process.wait(), 10)


class RigCluster:
    name = "loopback"
    cannot = dict.fromkeys(frozenset(Ability) - {Ability.KILL, Ability.DELETE, Ability.PAUSE}, "")

    def __init__(self, rig: Rig, directory: Path) -> None:
        self.rig = rig
        self.directory = directory

    async def members(self) -> Members:
        return {member.name: member for member in self.rig.members()}

    async def stop(self, member: Member, how: Stop) -> Effect:
        before = mono_ns()
        await asyncio.to_thread(self.rig.kill, member.name)
        after = mono_ns()
        return Effect(
            domain=node_domain(NODE),
            earliest_ns=before,
            latest_ns=after,
            accepted_ns=after,
            confirmed_ns=after,
            evidence=f"{member.name} was killed and waited for",
        )

    async def resume(self, member: Member) -> None:
        self.rig.resume(member.name)

    async def cut(self, cut: Partition) -> Effect:
        raise NotImplementedError

    async def disturb(self, member: Member, how: Disturbance) -> Effect:
        raise NotImplementedError

    async def heal(self) -> str:
        """Nothing is held: a killed process stays dead."""
        return ""

    def undoing(self, fault: str, target: Member | None) -> Undo:
        raise NotImplementedError

    async def keep(self, undos: Sequence[Undo]) -> None:
        """Nothing lasts here."""

    async def events(self) -> AsyncIterator[Stamped[Event]]:
        yield domain_event(node_domain(NODE))
        for member in self.rig.members():
            yield stamped("pod", "host", mono_ns(), **_pod(member))
        await asyncio.Event().wait()

    async def launch(self, spec: AgentSpec) -> RunningAgent:
        given = self.directory / "agent.json"
        given.write_text(spec.dumps())
        command = (sys.executable, "-m", "chaos.agent", str(given), str(self.directory))
        return RigAgent(await asyncio.create_subprocess_exec(*command), self.directory)


@asynccontextmanager
async def connect(ref: dict[str, str], _scenario: Scenario, directory: Path) -> AsyncIterator[RigCluster]:
    """Takes the rig that the test holds open in this process."""
    yield RigCluster(_open[ref["rig"]], directory)


_open: dict[str, Rig] = {}


def held(name: str, rig: Rig) -> None:
    """Have `connect` find this rig; trials that use it are played in the process that holds it."""
    _open[name] = rig


def _pod(member: Member) -> dict[str, Any]:
    state = {"phase": "Running", "ready": True, "role": ""}
    return {"name": member.name, "uid": member.uid, "component": str(member.kind), "ip": member.address, **state}


__all__ = ["RigCluster", "connect", "held", "running"]
