"""What the kernel counts of a process that waits for a core, on a core that is really wanted by others."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.agent.waits import LEAST_NS, NodeWaits, WaitsForACore, fetched
from chaos.errors import FaultError
from chaos.record.events import Stamped
from chaos.until import until
from tests.saying import said, stamped
from tests.spinning import spinning


@pytest.fixture
def spinners() -> Iterator[list[int]]:
    with spinning(2) as pids:
        yield pids


@pytest.mark.alone
async def test_whoever_waits_for_a_core_is_told_of_with_how_long(spinners: list[int]) -> None:
    events: list[Stamped[Any]] = []
    waits = WaitsForACore(lambda: [("redis-0", spinners[0])], events.append)
    watching = asyncio.create_task(waits.watch())

    async def told() -> list[Stamped[Any]]:
        return [event for event in events if event.event.kind == "waited"]

    first, *_ = await until(told, within_s=60, because="nothing was told", every_s=0.02)
    watching.cancel()

    assert said(events[0]) == {"counted": True}
    assert first.event.member == "redis-0"
    assert first.since_ns is not None
    assert LEAST_NS <= first.event.waited_ns <= first.at_ns - first.since_ns + 20_000_000


def test_only_what_a_process_waited_since_the_last_look_is_told_and_only_where_it_is_much(tmp_path: Path) -> None:
    events: list[Stamped[Any]] = []
    running = [("redis-0", 7)]
    waits = WaitsForACore(lambda: running, events.append, tmp_path)

    def look(pid: int, total_ns: int) -> None:
        (tmp_path / str(pid)).mkdir(exist_ok=True)
        (tmp_path / str(pid) / "schedstat").write_text(f"123456 {total_ns} 99\n")
        waits.look()

    look(7, 5 * LEAST_NS)
    look(7, 6 * LEAST_NS - 1)
    assert events == []
    look(7, 8 * LEAST_NS)
    running[:] = [("redis-0", 8)]
    look(8, 20 * LEAST_NS)
    assert [said(event) for event in events] == [{"member": "redis-0", "waited_ns": 2 * LEAST_NS + 1}]
    look(8, 20 * LEAST_NS + 10**9)
    assert events[-1].since_ns == events[-1].at_ns - 10**9


def test_a_process_that_has_just_ended_is_nobody(tmp_path: Path) -> None:
    events: list[Stamped[Any]] = []
    WaitsForACore(lambda: [("redis-0", 7)], events.append, tmp_path).look()
    assert events == []


async def test_a_kernel_that_does_not_count_is_told_once(tmp_path: Path) -> None:
    events: list[Stamped[Any]] = []
    await WaitsForACore(lambda: [], events.append, tmp_path).watch()
    assert [(event.event.kind, said(event)) for event in events] == [("waits", {"counted": False})]


def test_a_node_tells_its_host_what_it_has_not_told_before() -> None:
    """The containers are found once: until then, and after they ended, there is nobody to look at."""
    looked: list[str] = []

    def main_process(container: str) -> int:
        looked.append(container)
        if container == "gone":
            raise FaultError("no process")
        return os.getpid()

    node = NodeWaits(main_process)
    wanted = [
        {"name": "redis-0", "container": "here", "all": False},
        {"name": "redis-1", "container": "gone", "all": False},
    ]
    assert node.asked(wanted, 0) == []
    assert node.asked(wanted, 0) == []
    assert looked == ["here", "gone", "gone"]
    node.say(stamped("waited", "host", 7, 3, member="redis-0", waited_ns=4))
    node.say(stamped("waited", "host", 9, 8, member="redis-0", waited_ns=1))
    told = fetched(node.asked(wanted, 0), "node/worker")
    assert [(event.domain, event.at_ns, event.since_ns) for event in told] == [
        ("node/worker", 7, 3),
        ("node/worker", 9, 8),
    ]
    assert [one["at_ns"] for one in node.asked(wanted, 7)] == [9]
    assert node.asked([], 9) == []


def test_of_an_haproxy_every_process_counts() -> None:
    """Its own only holds its worker."""
    node = NodeWaits(every_process=lambda _: [os.getpid(), os.getppid()])
    node.asked([{"name": "haproxy", "container": "c", "all": True}], 0)

    assert list(node.processes()) == [("haproxy", os.getpid()), ("haproxy", os.getppid())]
