"""The agent beside a real system: what it reaches by name, what it records, and how it ends."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.agent.orders import AUDIT, START, STOP, AgentSpec
from chaos.client.spec import Load
from chaos.clock import identity
from chaos.errors import SetupError
from chaos.model import Outcome
from chaos.record.event_files import read_events
from chaos.record.events import Resolved
from chaos.record.ops_files import read_rows
from chaos.trial.assignment import client_specs
from chaos.until import until
from tests.cluster.local.systems import WITHIN_S, Held, children, command, held, nest_pid, scenario, there
from tests.saying import said as fields_of

pytestmark = pytest.mark.local

NAMES = ("redis:6379", "sentinel:26379", "rfr-redis-cluster:6379")


async def spec_of(one: Held) -> AgentSpec:
    return AgentSpec(
        clients=tuple(client_specs(scenario())),
        load=Load(deadline_s=0.2, keys="failover:test:0:", ttl_s=600, database=0, master="mymaster"),
        members=tuple((await one.cluster.members()).values()),
        names=NAMES,
        limit_s=60.0,
    )


def agent_pid() -> int:
    [pid] = [pid for pid in children(nest_pid()) if "chaos.agent" in command(pid)]
    return pid


async def heard(one: Held, kind: str) -> dict[str, object]:
    """The fields of the agent's first event of this kind."""
    path = one.directory / "events" / "agent.jsonl"

    async def said() -> list[dict[str, object]]:
        return [fields_of(event) for event in read_events(path) if event.event.kind == kind] if path.exists() else []

    return (await until(said, within_s=WITHIN_S, because=f"the agent never said {kind}"))[0]


async def good(directory: Path) -> bool:
    """Every path has operations that were ok."""
    rows = list(read_rows(directory / "ops" / "meters.rows"))
    return {row.client for row in rows if row.outcome == Outcome.OK} == {row.client for row in rows} != set()


async def test_it_records_into_the_trial_and_leaves_only_its_record(tmp_path):
    async with held(tmp_path) as one:
        agent = await one.cluster.launch(await spec_of(one))
        domain = await heard(one, "clock.domain")
        assert {key: domain[key] for key in identity()} == identity()
        await heard(one, "role")
        await agent.put(START, json.dumps({"deadline_s": 0.2}))
        await heard(one, "clients.started")
        await until(lambda: good(tmp_path), within_s=WITHIN_S, because="an operation is ok", every_s=0.1)
        await agent.pull()
        await agent.put(STOP, "{}")
        await heard(one, "clients.stopped")
        await agent.put(AUDIT, json.dumps({"addresses": [(await one.member("redis-0")).ip_port]}))
        assert (await heard(one, "audit"))["present"]
        await agent.close()
    resolved = {
        one.event.name: one.event.addresses
        for one in read_events(tmp_path / "events" / "agent.jsonl")
        if isinstance(one.event, Resolved)
    }
    assert resolved == {"redis": ["10.96.0.10"], "sentinel": ["10.96.0.11"], "rfr-redis-cluster": []}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit", "events", "logs", "ops"]


async def test_what_it_has_started_goes_with_it_too(tmp_path):
    """An application client is its own process, and in a call that would go on for long."""
    async with held(tmp_path) as one:
        spec = await spec_of(one)
        application = replace(spec.clients[0], number=90, kind="application", path="app", library="redis-py-pool")
        agent = await one.cluster.launch(replace(spec, clients=(application,)))
        await agent.put(START, json.dumps({"deadline_s": 0.2}))

        async def started() -> list[int]:
            return children(agent_pid())

        [pid] = await until(started, within_s=WITHIN_S, because="the application client is started", every_s=0.02)

        async def at_work() -> bool:
            return "chaos.client.application" in command(pid) and (tmp_path / "ops" / "app-90.rows").exists()

        await until(at_work, within_s=WITHIN_S, because="the application client works", every_s=0.02)
        os.kill(nest_pid(), signal.SIGKILL)

        async def gone() -> bool:
            return not there([pid])

        await until(gone, within_s=WITHIN_S, because="it goes", every_s=0.02)


async def test_one_that_is_gone_is_told_with_how_it_ended(tmp_path):
    async with held(tmp_path) as one:
        agent = await one.cluster.launch(await spec_of(one))
        await heard(one, "role")
        await agent.pull()
        os.kill(agent_pid(), signal.SIGKILL)

        async def noticed() -> bool:
            try:
                await agent.pull()
            except SetupError as error:
                return "the agent ended by itself: SIGKILL; it said nothing" in str(error)
            return False

        await until(noticed, within_s=WITHIN_S, because="its end is noticed", every_s=0.02)
        await agent.close()


async def test_what_it_says_when_it_breaks_is_kept(tmp_path):
    async with held(tmp_path) as one:
        (tmp_path / "events").write_text("in its way")
        agent = await one.cluster.launch(await spec_of(one))

        async def noticed() -> str:
            try:
                await agent.pull()
            except SetupError as error:
                return str(error)
            return ""

        said = await until(noticed, within_s=WITHIN_S, because="its end is noticed", every_s=0.02)
        assert "exit code 1; " in said
        assert "FileExistsError" in said
        assert "FileExistsError" in (tmp_path / "agent.log").read_text()


async def test_one_that_does_not_end_is_killed_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("chaos.cluster.local.cluster.END_S", 0.5)
    async with held(tmp_path) as one:
        agent = await one.cluster.launch(await spec_of(one))
        await heard(one, "role")
        pid = agent_pid()
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(SetupError, match=r"did not end within 0.5 s .* killed"):
            await agent.close()
        assert pid not in children(nest_pid())
        assert not (tmp_path / "control").exists()
