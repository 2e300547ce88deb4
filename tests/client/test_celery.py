"""A Celery application with its worker, on a real Redis: what is handed over is counted past Redis."""

import signal
from collections import Counter
from pathlib import Path

import pytest

from chaos.model import Outcome
from chaos.record.event_files import read_events
from chaos.record.ops_files import read_rows
from chaos.until import until
from tests.client.conftest import Start
from tests.client.play import Play, playing
from tests.client.test_application import application
from tests.rig import LOOPBACK, SENTINELS, Rig, free_port

pytest.importorskip("celery")


async def done(play: Play, tasks: int, client: int = 5) -> None:
    path = play.directory / "events" / f"app-{client}.jsonl"

    async def enough() -> bool:
        events = read_events(path) if path.exists() else ()
        return sum(str(getattr(one.event, "state", "")) == "done" for one in events) >= tasks

    await until(enough, within_s=90, because=f"{tasks} tasks are done", every_s=0.1)


def states(play: Play) -> Counter[str]:
    return Counter(one.event.state for one in play.kinds("application.task"))


def celery(address: str, **changes):
    return application(address, **({"library": "celery", "rate_hz": 10.0, "audited": False} | changes))


@pytest.mark.redis
@pytest.mark.timeout(120)
async def test_tasks_are_told_as_begun_and_done_and_none_waits_at_the_end(start: Start, tmp_path: Path):
    server = start("--requirepass", "s3cr3t-of-ours")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAILOVER_REDIS_PASSWORD", "s3cr3t-of-ours")
        async with playing(tmp_path, [celery(server.address)]) as play:
            await done(play, 5)
    found = states(play)
    assert found["done"] >= 5
    assert found["done"] == found["begun"] == len([row for row in play.rows if row.outcome == Outcome.OK])
    assert found["waiting"] == 0
    assert found["result"] == found["done"]
    assert found["looked"] == 1
    assert play.kinds("application.worker") == []
    assert holding(b"s3cr3t-of-ours", tmp_path) == []


def holding(text: bytes, folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text in path.read_bytes()]


@pytest.mark.redis
@pytest.mark.timeout(120)
async def test_broker_and_backend_may_be_asked_of_sentinel(rig: Rig, tmp_path: Path):
    sentinel = f"{LOOPBACK}:{rig.member(SENTINELS[0]).port}"
    async with playing(tmp_path / "record", [celery(sentinel, via_sentinel=True)]) as play:
        await done(play, 3)
    assert states(play)["looked"] == 1


@pytest.mark.redis
@pytest.mark.timeout(120)
async def test_with_a_silent_broker_its_call_has_no_end_since_celery_has_no_time_out(start: Start, tmp_path: Path):
    server = start()
    async with playing(tmp_path, [celery(server.address)]) as play:
        await done(play, 3)
        server.signal(signal.SIGSTOP)

        async def blocked() -> bool:
            return list(read_rows(tmp_path / "ops" / "app-5.rows"))[-1].outcome == Outcome.IN_FLIGHT

        await until(blocked, within_s=60, because="a call is under way", every_s=0.1)
    assert play.rows[-1].outcome == Outcome.IN_FLIGHT
    assert states(play)["looked"] == 0


@pytest.mark.redis
@pytest.mark.timeout(120)
async def test_while_a_call_hangs_at_the_end_redis_is_asked_all_the_same(start: Start, tmp_path: Path):
    """Redis holds back the call's command and answers what is read, as PAUSE WRITE has it do."""
    server = start()
    async with playing(tmp_path, [celery(server.address)]) as play:
        await done(play, 3)
        server.call("CLIENT", "PAUSE", 60_000, "WRITE")

        async def blocked() -> bool:
            return list(read_rows(tmp_path / "ops" / "app-5.rows"))[-1].outcome == Outcome.IN_FLIGHT

        await until(blocked, within_s=60, because="a call is under way", every_s=0.1)
    assert play.rows[-1].outcome == Outcome.IN_FLIGHT
    assert states(play)["looked"] == 1
    assert states(play)["result"] >= 2  # that of the last task may have been held back


@pytest.mark.redis
@pytest.mark.timeout(180)
async def test_readonly_ends_a_worker_with_the_defaults_and_not_a_bounded_one(start: Start, tmp_path: Path):
    """A master that becomes a replica, as whoever the Service leads to for a while after a crash in place."""
    server = start()
    clients = [celery(server.address), celery(server.address, number=6, library="celery-bounded")]
    async with playing(tmp_path / "record", clients) as play:
        await done(play, 3)
        await done(play, 3, client=6)
        server.call("REPLICAOF", LOOPBACK, free_port())
        server.call("CLIENT", "KILL", "TYPE", "normal")

        async def ended() -> bool:
            events = read_events(tmp_path / "record" / "events" / "app-5.jsonl")
            return any(one.event.kind == "application.worker" for one in events)

        await until(ended, within_s=60, because="the worker ends", every_s=0.1)
        server.call("REPLICAOF", "NO", "ONE")
        before = sum(one.event.client == 6 and one.event.state == "done" for one in read_events_of(play, 6))
        await done(play, before + 5, client=6)
    [worker] = play.kinds("application.worker")
    assert worker.event.client == 5
    # READONLY, or where it waited for a task just then, UNBLOCKED: "instance state changed (master -> replica?)".
    assert worker.event.how.startswith(("ReadOnlyError: ", "ResponseError: UNBLOCKED "))
    assert states(play)["looked"] == 2


def read_events_of(play: Play, client: int):
    tasks = read_events(play.directory / "events" / f"app-{client}.jsonl")
    return [one for one in tasks if one.event.kind == "application.task"]
