"""The agent as a process, on a real system: what it leaves behind, however it ends."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos.agent.keeper import Mirror, put
from chaos.agent.orders import AUDIT, MEMBERS, QUIT, START, STOP, AgentSpec
from chaos.client.spec import ClientSpec, Connection, Load
from chaos.clock import mono_ns
from chaos.model import Outcome
from chaos.record.event_files import read_events
from chaos.record.events import Stamped
from chaos.record.ops_files import read_rows
from tests.rig import MASTER_NAME, REDIS, SENTINELS, Rig, wait_for
from tests.saying import said

pytestmark = pytest.mark.redis

CONNECTIONS: tuple[Connection, ...] = ("new", "kept")


class AgentProcess:
    """`python -m chaos.agent` on a rig: two meters of each connection by address and by Sentinel."""

    def __init__(self, rig: Rig, directory: Path, limit_s: float = 60) -> None:
        self.directory = directory
        directory.mkdir()
        spec = directory.with_suffix(".json")
        spec.write_text(spec_for(rig, limit_s).dumps())
        self._errors = directory.with_suffix(".err")
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen([sys.executable, "-m", "chaos.agent", spec, directory], stderr=errors)

    def tell(self, file: str, data: object) -> None:
        put(self.directory, {"path": file, "data": json.dumps(data)})

    def events(self, kind: str) -> list[Stamped[Any]]:
        path = self.directory / "events/agent.jsonl"
        return [event for event in read_events(path) if event.event.kind == kind] if path.exists() else []

    def wait_for(self, kind: str, count: int = 1) -> Stamped[Any]:
        wait_for(lambda: len(self.events(kind)) >= count, f"{count} {kind} in the record: {self.errors()}")
        return self.events(kind)[count - 1]

    def rows(self, name: str = "meters.rows"):
        return list(read_rows(self.directory / "ops" / name))

    def started(self, deadline_s: float = 0.5, operations: int = 200) -> None:
        self.tell(START, {"deadline_s": deadline_s})
        self.wait_for("clients.started")
        wait_for(lambda: len(self.rows()) >= operations, f"{operations} operations")

    def ended(self) -> int:
        return self.process.wait(timeout=60)

    def errors(self) -> str:
        return self._errors.read_text()


def spec_for(rig: Rig, limit_s: float) -> AgentSpec:
    ways = [("service", address(rig, REDIS[0]), False), ("sentinel", address(rig, SENTINELS[0]), True)]
    kinds = [(*way, connection) for way in ways for connection in CONNECTIONS]
    clients = (
        ClientSpec(
            number=number, kind="meter", path=path, connection=connection, address=at, rate_hz=50, via_sentinel=via
        )
        for number, (path, at, via, connection) in enumerate(kinds * 2)
    )
    load = Load(deadline_s=0.5, keys="failover:test:0:", ttl_s=600, database=0, master=MASTER_NAME)
    members = tuple(rig.members())
    return AgentSpec(clients=tuple(clients), load=load, members=members, names=("localhost",), limit_s=limit_s)


def address(rig: Rig, name: str) -> str:
    return f"127.0.0.1:{rig.member(name).port}"


@pytest.fixture
def agent(rig: Rig, tmp_path: Path) -> Iterator[AgentProcess]:
    agent = AgentProcess(rig, tmp_path / "record")
    yield agent
    agent.process.kill()
    agent.process.wait(timeout=60)


def test_a_trial_from_start_to_quit_is_all_in_the_record(rig, agent):
    agent.started()
    agent.tell(STOP, {})
    agent.wait_for("clients.stopped")
    agent.tell(AUDIT, {"addresses": [address(rig, REDIS[0])]})
    audit = agent.wait_for("audit")
    agent.tell(QUIT, {})

    assert agent.ended() == 0, agent.errors()
    assert {row.outcome for row in agent.rows()} == {Outcome.OK}
    assert audit.event.undecided == ""
    assert audit.event.present == audit.event.keys == len(agent.rows())
    assert agent.events("note")[-1].event.text == "the agent ends: told to quit"
    assert agent.events("clock.pair")


def test_a_failover_under_load_is_seen_by_observers_and_clients_alike(rig, agent):
    agent.started()
    killed_ns = mono_ns()
    rig.kill(REDIS[0])
    wait_for(lambda: len(switched(agent)) == 3, "every Sentinel's +switch-master")
    wait_for(lambda: recovered(agent, killed_ns), "a good operation by way of Sentinel")
    agent.tell(QUIT, {})
    agent.ended()
    good = [row.intended_ns for row in agent.rows() if row.client in (2, 3, 6, 7) and row.outcome == Outcome.OK]
    back_s = (min(sent_ns for sent_ns in good if sent_ns > killed_ns + 10**9) - killed_ns) / 1e9

    assert 1 < back_s < 60  # two seconds, and longer where a Sentinel waits for a core
    assert agent.events("clients.stopped"), "a quit stops clients that still run"


def switched(agent):
    events = agent.events("sentinel.event")
    return {event.event.sentinel for event in events if event.event.channel == "+switch-master"}


def recovered(agent, killed_ns):
    return any(
        row.client == 2 and row.outcome == Outcome.OK and row.intended_ns > killed_ns + 10**9 for row in agent.rows()
    )


def test_an_agent_killed_in_mid_load_leaves_every_operation_that_it_had_sent(agent):
    agent.started()
    agent.process.kill()
    killed_ns = mono_ns()
    agent.ended()
    rows = agent.rows()

    assert {row.outcome for row in rows} <= {Outcome.OK, Outcome.IN_FLIGHT}
    assert 0 < killed_ns - max(row.intended_ns for row in rows) < 100e6
    assert agent.events("role")


def test_sigterm_stops_the_clients_and_closes_the_files(agent):
    agent.started()
    agent.process.send_signal(signal.SIGTERM)

    assert agent.ended() == 0, agent.errors()
    assert agent.events("clients.stopped")
    assert agent.events("note")[-1].event.text == "the agent ends: SIGTERM"
    assert Outcome.IN_FLIGHT not in {row.outcome for row in agent.rows()}


def test_the_limit_ends_an_agent_that_nobody_ends(rig, tmp_path):
    agent = AgentProcess(rig, tmp_path / "record", limit_s=1)

    assert agent.ended() == 0, agent.errors()
    assert agent.events("note")[-1].event.text == "the agent ends: its limit of 1 s"


def test_an_agent_that_fails_says_so_in_the_record_on_stderr_and_by_its_exit_code(agent):
    agent.wait_for("role")
    agent.tell(START, {"deadline": "a key that does not exist"})

    assert agent.ended() == 1
    assert said(agent.events("gap")[-1]) == {"source": "agent", "text": "the agent failed: KeyError: 'deadline_s'"}
    assert "KeyError: 'deadline_s'" in agent.errors()


def test_a_start_that_is_said_again_changes_nothing_and_another_deadline_starts_anew(agent):
    agent.started(deadline_s=0.5)
    agent.tell(START, {"deadline_s": 0.5})
    time.sleep(0.2)
    agent.tell(START, {"deadline_s": 0.2})
    agent.wait_for("clients.started", count=2)
    agent.tell(STOP, {})
    agent.wait_for("clients.stopped", count=2)
    agent.tell(STOP, {})
    agent.tell(QUIT, {})
    agent.ended()

    assert [event.event.deadline_s for event in agent.events("clients.started")] == [0.5, 0.2]
    assert [event.event.deadline_s for event in agent.events("clients.stopped")] == [0.5, 0.2]


def test_members_are_followed_as_the_host_tells_them(rig, agent):
    agent.wait_for("role")
    rig.replace(REDIS[1], REDIS[0])
    agent.tell(MEMBERS, [member.as_json() for member in rig.members()])
    new = address(rig, REDIS[1])

    wait_for(lambda: any(event.event.address == new for event in agent.events("role")), "the new pod's role")


async def test_a_mirror_is_whole_after_a_broken_pipe_under_load(agent, tmp_path):
    """The keeper is killed with a request unanswered; a new one goes on from what the mirror has."""
    mirror, local = Mirror(tmp_path / "local"), tmp_path / "local"
    await asyncio.to_thread(agent.started, operations=50)
    first = keeper(agent.directory)
    for _ in range(5):
        exchange(first, mirror)
        await asyncio.sleep(0.1)
    send(first, mirror)
    first.kill()
    first.communicate(timeout=60)
    with keeper(agent.directory) as second:
        exchange(second, mirror)
        agent.tell(STOP, {})
        await asyncio.to_thread(agent.wait_for, "clients.stopped")
        agent.tell(QUIT, {})
        agent.ended()
        while exchange(second, mirror) or not mirror.complete:
            pass

    for path in ("ops/meters.rows", "events/agent.jsonl"):
        assert (local / path).read_bytes() == (agent.directory / path).read_bytes()


def keeper(directory):
    command = [sys.executable, "-m", "chaos.agent.keeper", str(directory)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def send(process, mirror):
    process.stdin.write(json.dumps({"id": 1, **mirror.request()}).encode() + b"\n")
    process.stdin.flush()


def exchange(process, mirror):
    send(process, mirror)
    return mirror.accept(json.loads(process.stdout.readline()))
