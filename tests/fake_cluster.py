"""A cluster in memory that keeps the protocol: the whole pipeline runs on it in seconds.

`connect` is what a worker is given by `ref["module"]`; `ref["script"]` names how the cluster or its agent misbehaves.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from chaos.agent.orders import AgentSpec
from chaos.clock import HOST, mono_ns
from chaos.cluster.base import (
    Ability,
    Disturbance,
    Effect,
    Members,
    Partition,
    PlatformOptions,
    RunningAgent,
    Stop,
    Versions,
)
from chaos.errors import SetupError
from chaos.model import Member
from chaos.progress import Message, Tell, Tells
from chaos.record.events import Event, Stamped
from chaos.record.layout import CLOSED
from chaos.scenario import Scenario
from chaos.undo import Undo
from chaos.until import until
from tests.fake_agent import FakeAgent
from tests.fake_world import World


class FakeCluster:
    name = "in memory"

    def __init__(self, world: World) -> None:
        self.world = world
        self.cannot = lacking(world.script)

    async def members(self) -> Members:
        return self.world.members()

    async def stop(self, member: Member, how: Stop) -> Effect:
        before = mono_ns()
        self.world.out.add(member.name)
        self.world.say_roles()
        if self.world.script == "fault-hangs":
            await asyncio.Event().wait()
        if self.world.script != "no-failover":
            self.world.begin(self.world.fail_over(detected=how is not Stop.DELETE))
        proved = self.world.script != "unproved"
        return _effect(before, proved, f"{member.name} is gone" if proved else "it still runs")

    async def resume(self, member: Member) -> None:
        self.world.out.discard(member.name)

    async def cut(self, cut: Partition) -> Effect:
        before = mono_ns()
        self.world.cut = cut.member.name
        self.world.out.add(cut.member.name)
        self.world.begin(self.world.fail_over())
        return _effect(before, True, f"{cut.member.name} is cut off from {len(cut.peers)} peers")

    async def api_server(self) -> tuple[str, ...]:
        return ()

    async def probe(self, cut: Partition) -> None:
        """The cut of this cluster proves itself."""

    async def afflict(self, member: Member, do: str, **how: object) -> Effect:
        return _effect(mono_ns(), False, f"{member.name} knows no {do} ({how})")

    async def disturb(self, member: Member, how: Disturbance) -> Effect:
        """Of a node that is drained or stopped the member goes; it goes on where only somebody beside it is gone."""
        self.world.disturbed.append(how)
        if how in (Disturbance.DRAIN, Disturbance.STOP_NODE):
            return await self.stop(member, Stop.DELETE)
        return _effect(mono_ns(), True, f"{how.value} of {member.node}")

    async def tell(self, member: Member, *command: str) -> Effect:
        return _effect(mono_ns(), False, f"nobody hears {' '.join(command)}")

    async def heal(self) -> str:
        if self.world.script == "heal-fails":
            raise SetupError("the node helper does not answer")
        self.world.undone("heal")
        while self.world.disturbed:
            self.world.undone(self.world.disturbed.pop().value)
        if self.world.cut:
            self.world.undone(f"cut of {self.world.cut}")
            self.world.out.discard(self.world.cut)
            self.world.cut = ""
            self.world.say_roles()
        return ""

    def undoing(self, fault: str, target: Member | None) -> Undo:
        what = f"{fault} of {target.name if target else 'nobody'}"
        return Undo(what=what, executor="none", where={}, request={"do": "heal"}, by_hand="forget it")

    async def keep(self, undos: Sequence[Undo]) -> None:
        self.world.kept.append([undo.what for undo in undos])

    async def events(self) -> AsyncIterator[Stamped[Event]]:
        self.world.say_platform()
        while True:
            yield await self.world.platform.get()
            if self.world.script == "platform-breaks" and self.world.directory.joinpath("settings.json").exists():
                raise SetupError("the API server answers no more")

    async def launch(self, spec: AgentSpec) -> RunningAgent:
        return FakeAgent(self.world, spec)


def lacking(script: str) -> dict[Ability, str]:
    return {Ability.CUT: ""} if script == "cannot-cut" else {}


class FakePlatform:
    """`script` goes to the cluster of every trial; what the campaign asked of the platform is in `asked`."""

    kind, name = "fake", "in memory"

    def __init__(self, script: str, tell: Tells) -> None:
        self.script = script
        self._tell = tell
        self.cannot = lacking(script)
        self.asked: list[str] = []
        self.reached_ns: list[int] = []
        """When it was asked how to reach the system: once for the campaign, and as each trial begins."""

    async def __aenter__(self) -> "FakePlatform":
        self.asked.append("up")
        if self.script == "up-hangs":
            await self._hang("coming up", "the half made platform")
        return self

    async def _hang(self, doing: str, made: str) -> None:
        """What was half made takes its time to be taken away again."""
        self._tell(Message(Tell.NOTE, {"text": f"{doing}, and hanging"}))
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.5)
            self._tell(Message(Tell.NOTE, {"text": f"{made} is gone"}))

    async def __aexit__(self, *_: object) -> None:
        self.asked.append("down")
        if self.script == "deploy-hangs":
            self._tell(Message(Tell.NOTE, {"text": "the platform is gone"}))

    async def deploy(self, *, fresh: bool = False, nth: int = 0) -> None:
        self.asked.append(f"deploy{' fresh' if fresh else ''}{f' {nth}' if nth else ''}")
        if self.script == "deploy-hangs":
            await self._hang("deploying", "the half deployed system")

    def ref(self) -> dict[str, str]:
        self.reached_ns.append(mono_ns())
        return {"module": "tests.fake_cluster", "script": self.script}

    def versions(self) -> Versions:
        return Versions(platform={"fake": "1"})


platforms: list[FakePlatform] = []
"""Every platform that a campaign had made in this process, the newest last."""


def platform(_scenario: Scenario, _folder: Path, options: PlatformOptions) -> FakePlatform:
    """Its script is taken from the environment, as the options have no place for one."""
    platforms.append(FakePlatform(os.environ.get("FAKE_SCRIPT", ""), options.tell))
    return platforms[-1]


@asynccontextmanager
async def connect(ref: dict[str, str], _scenario: Scenario, directory: Path) -> AsyncIterator[FakeCluster]:
    script, _, only = ref["script"].partition("-in-")
    if script == "healthy-when-fresh":  # what was recorded of a system that never became healthy was set aside
        set_aside = directory.with_name(directory.name.replace("trial", "unhealthy"))
        script = "" if set_aside.exists() else "never-healthy"
    world = World(directory, script if only in ("", directory.name) else "")
    if only and not world.script:
        await until(closed(directory.parent / only), within_s=30, because=f"{only} does not end")
    if world.script == "worker-dies":
        os.kill(os.getpid(), signal.SIGKILL)
    try:
        yield FakeCluster(world)
    finally:
        for task in tuple(world.tasks):
            task.cancel()
        world.undone("disconnected")


def closed(trial: Path) -> Callable[[], Awaitable[bool]]:
    async def is_closed() -> bool:
        return (trial / CLOSED).exists()

    return is_closed


def _effect(before: int, proved: bool, evidence: str) -> Effect:
    now = mono_ns()
    return Effect(
        domain=HOST,
        earliest_ns=before,
        latest_ns=now,
        accepted_ns=now,
        confirmed_ns=mono_ns() if proved else None,
        evidence=evidence,
    )
