"""The watcher on a real API server: a container that restarts in place, and a pod that is force-deleted."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from chaos.cluster.kube.stream import LineStream, PodProgram
from chaos.cluster.kube.watcher import Watcher
from chaos.record.events import Stamped
from chaos.scenario import load
from chaos.until import until
from tests.cluster.kube.rig import Room, room
from tests.saying import said

pytestmark = [pytest.mark.kind, pytest.mark.timeout(180)]
LABELS = {"app.kubernetes.io/component": "redis", "redisfailovers-role": "master"}


async def terminate(there: Room, pod: str) -> None:
    stream = LineStream(there.api, PodProgram(there.namespace, pod, "redis", ["kill", "1"]))
    await stream.open()
    await stream.close()


async def test_a_pods_life_is_told_and_its_log_is_whole(tmp_path: Path) -> None:
    async with room() as there:
        events: list[Stamped[Any]] = []
        await there.redis("one", LABELS)
        scenario = load("redis-operator", {"system.kube.namespace": there.namespace}).scenario
        watcher = Watcher(there.api, scenario, tmp_path, events.append)
        await asyncio.to_thread(watcher.start)
        try:
            await told(events, tmp_path, there)
        finally:
            await asyncio.to_thread(watcher.stop)
    assert not [event for event in events if event.event.kind == "gap"]
    assert {event.event.kind for event in events} >= {"pod", "log.opened", "log.closed"}


async def told(events: list[Stamped[Any]], directory: Path, there: Room) -> None:
    async def found(**wanted: object) -> Stamped[Any] | None:
        pods = [event for event in events if event.event.kind == "pod" and event.event.name == "one"]
        return next((event for event in pods if wanted.items() <= said(event).items()), None)

    first = await until(found, within_s=60, because="the pod is told")
    assert first.event.role == "master"
    await terminate(there, "one")
    again = await until(lambda: found(restarts=1, ready=True), within_s=60, because="the restart is told")
    assert again.event.container != first.event.container
    log = directory / "logs" / f"redis-one-{first.event.uid[:8]}.log"

    async def written() -> str | None:
        text = log.read_text()
        return text if "bye bye" in text and "Ready to accept connections" in text else None

    text = await until(written, within_s=60, because="both containers' lines are on disk")
    lines = text.splitlines()
    assert lines == sorted(set(lines), key=lines.index)
    stamps = [line.partition(" ")[0] for line in lines]
    assert stamps == sorted(stamps)
    await there.api.delete(f"{there.pods}/one", 0)
    gone = await until(lambda: found(gone=True), within_s=60, because="the end is told")
    assert gone.since_ns is not None
    assert gone.at_ns - gone.since_ns < 2e9
