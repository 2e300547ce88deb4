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
from tests.rig import LOOPBACK, SENTINELS, Rig

pytest.importorskip("celery")


async def done(play: Play, tasks: int) -> None:
    path = play.directory / "events" / "app-5.jsonl"

    async def enough() -> bool:
        events = read_events(path) if path.exists() else ()
        return sum(str(getattr(one.event, "state", "")) == "done" for one in events) >= tasks

    await until(enough, within_s=55, because=f"{tasks} tasks are done", every_s=0.1)


def states(play: Play) -> Counter[str]:
    return Counter(one.event.state for one in play.kinds("application.task"))


def celery(address: str, **changes):
    return application(address, library="celery", rate_hz=10.0, audited=False, **changes)


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
    assert found["looked"] == 1
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

        await until(blocked, within_s=20, because="a call is under way", every_s=0.1)
    assert play.rows[-1].outcome == Outcome.IN_FLIGHT
    assert states(play)["looked"] == 0
