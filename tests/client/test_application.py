"""The application client: redis-py in a process of its own, with its own retries, and always stoppable."""

import signal
import socket
import time
from pathlib import Path

import pytest
import redis

from chaos.client.contract import code_of
from chaos.client.spec import STOP_S
from chaos.model import ErrorCode, Outcome, RowFlag
from chaos.record.layout import NOBODY
from chaos.record.ops_files import read_header, read_rows
from chaos.until import until
from tests.client.conftest import Start
from tests.client.play import BY_LATENESS, Play, good, load, new_and_kept, playing, seconds, spec
from tests.rig import LOOPBACK, REDIS, SENTINELS, Rig, free_port


async def calling(play: Play, calls: int = 10, run: int = 0) -> None:
    """Wait until the process has started and made some calls."""
    path = play.directory / "ops" / ("app-5-1.rows" if run else "app-5.rows")

    async def enough() -> bool:
        return path.exists() and path.stat().st_size > 0 and len(good(list(read_rows(path)))) >= calls

    await until(enough, within_s=60, because=f"{calls} good calls in {path}", every_s=0.05)


def application(address: str, **changes):
    usual = {"number": 5, "kind": "application", "path": "app", "connection": "kept", "rate_hz": 20.0}
    return spec(address, **(usual | {"library": "redis-py-pool"} | changes))


@pytest.mark.redis
async def test_calls_are_rows_and_its_name_says_the_version(start: Start, tmp_path: Path):
    server = start()
    async with playing(tmp_path, [application(server.address)]) as play:
        await calling(play)
    header, _ = read_header(tmp_path / "ops" / "app-5.rows")
    told = f"redis-py-pool {redis.__version__}, socket_timeout 5 s, socket_connect_timeout 5 s, retries 1"
    assert [client["library"] for client in header["clients"]] == [told]
    assert [row.seq for row in play.rows] == list(range(len(play.rows)))
    assert {row.outcome for row in play.rows} == {Outcome.OK}
    assert {(row.node, row.target) for row in play.rows} == {(NOBODY, 0)}
    assert play.rows[0].flags == RowFlag.OPENED
    assert play.kinds("target")[0].event.address == server.address
    assert [event.event.client for event in play.kinds("connection.opened")] == [5]


@pytest.mark.redis
async def test_through_sentinel_it_is_the_librarys_client_of_sentinel_and_follows_a_failover(rig: Rig, tmp_path: Path):
    sentinel = f"{LOOPBACK}:{rig.member(SENTINELS[0]).port}"
    async with playing(tmp_path / "record", [application(sentinel, via_sentinel=True)]) as play:
        await calling(play)
        rig.kill(REDIS[0])
        await seconds(6)
    outcomes = [row.outcome for row in play.rows]
    assert outcomes[0] == outcomes[-1] == Outcome.OK
    assert Outcome.UNKNOWN in outcomes
    assert len(play.kinds("connection.opened")) >= 2


async def first_error(directory: Path, address: str, master: str) -> ErrorCode:
    """What the first call met. Its library tries a Sentinel that is not there for some seconds."""
    path = directory / "ops" / "app-5.rows"

    async def decided() -> bool:
        rows = list(read_rows(path)) if path.exists() and path.stat().st_size else []
        return bool(rows) and rows[0].outcome != Outcome.IN_FLIGHT

    async with playing(directory, [application(address, via_sentinel=True)], load(master=master)) as play:
        await until(decided, within_s=60, because="the first call ends", every_s=0.05)
    return ErrorCode(play.rows[0].error)


@pytest.mark.redis
async def test_a_master_that_sentinel_does_not_know_is_called_that(rig: Rig, tmp_path: Path):
    sentinel = f"{LOOPBACK}:{rig.member(SENTINELS[0]).port}"
    assert await first_error(tmp_path / "record", sentinel, "another") == ErrorCode.NO_MASTER


async def test_a_sentinel_that_is_not_there_is_a_discovery_that_failed(tmp_path: Path):
    assert await first_error(tmp_path, f"{LOOPBACK}:{free_port()}", "mymaster") == ErrorCode.DISCOVERY_FAILED


@pytest.mark.redis
async def test_meters_and_applications_reach_an_ipv6_address(start: Start, tmp_path: Path):
    server = start("--bind", LOOPBACK, "::1")
    address = f"[::1]:{server.port}"
    async with playing(tmp_path, [*new_and_kept(address), application(address)]) as play:
        await calling(play)
    assert {row.client for row in good(play.rows)} == {0, 1, 5}
    assert {row.error for row in play.rows} <= {ErrorCode.NONE, *BY_LATENESS}


@pytest.mark.redis
async def test_a_call_that_blocks_for_long_is_told(start: Start, tmp_path: Path):
    """A closed loop: while the server is silent there is one operation, and it is as long as the silence."""
    server = start()
    async with playing(tmp_path, [application(server.address)]) as play:
        await calling(play)
        server.signal(signal.SIGSTOP)
        await seconds(1.6)
        server.signal(signal.SIGCONT)
        await seconds(0.5)
    (call,) = play.kinds("application.call")
    assert call.event.client == 5
    assert 1.0 < call.event.blocked_s < 40
    assert call.since_ns is not None
    assert call.at_ns - call.since_ns == pytest.approx(call.event.blocked_s * 1e9, abs=1e6)
    assert max(row.done_us for row in play.rows) == pytest.approx(call.event.blocked_s * 1e6, abs=1e3)
    assert {row.outcome for row in play.rows} == {Outcome.OK}


@pytest.mark.redis
async def test_a_refused_port_fails_its_calls_at_once(start: Start, tmp_path: Path):
    """A pool from a URL does not have redis.Redis's own ten retries: redis-py 8 retries there once, on time-outs."""
    server = start()
    async with playing(tmp_path, [application(server.address)]) as play:
        await calling(play)
        server.kill()
        await seconds(0.5)
        server.start()
        await calling(play, 20)
    assert {(row.outcome, row.error) for row in play.rows if row.outcome != Outcome.OK} <= {
        (Outcome.UNKNOWN, ErrorCode.REFUSED),
        (Outcome.UNKNOWN, ErrorCode.CLOSED),
        (Outcome.UNKNOWN, ErrorCode.RESET),
    }
    assert (Outcome.UNKNOWN, ErrorCode.REFUSED) in {(row.outcome, row.error) for row in play.rows}
    assert len(play.kinds("connection.opened")) >= 2  # three where a server that ends or begins took one and reset it


@pytest.mark.redis
async def test_a_call_that_blocks_at_the_stop_is_left_in_flight(start: Start, tmp_path: Path):
    server = start()
    async with playing(tmp_path, [application(server.address)]) as play:
        await calling(play)
        server.signal(signal.SIGSTOP)
        await seconds(0.2)
        begun = time.monotonic()
    assert time.monotonic() - begun < STOP_S + 3
    assert play.rows[-1].outcome == Outcome.IN_FLIGHT
    assert {row.outcome for row in play.rows[:-1]} == {Outcome.OK}


@pytest.mark.redis
async def test_a_second_run_counts_its_operations_on(start: Start, tmp_path: Path):
    server = start()
    async with playing(tmp_path, [application(server.address), spec(server.address)]) as play:
        await calling(play)
        await play.crew.stop()
        play.crew.start(0.2)
        await calling(play, run=1)
    for client in (0, 5):
        rows = play.of(client)
        assert [row.seq for row in rows] == list(range(len(rows)))
    names = sorted(path.name for path in (tmp_path / "ops").iterdir())
    assert names == ["app-5-1.rows", "app-5.rows", "meters-1.rows", "meters.rows"]


async def test_a_process_that_ends_by_itself_is_a_gap(tmp_path: Path):
    async with playing(tmp_path, [application("nowhere:1", library="no-such-library")]) as play:

        async def ended() -> bool:
            return "ended by itself" in play.events_file.path.read_text()

        await until(ended, within_s=60, because="the gap that says so")
    (gap,) = play.kinds("gap")
    assert gap.event.source == "client 5, no-such-library"


def raised_from(cause: Exception) -> redis.ConnectionError:
    try:
        raise redis.ConnectionError("Error connecting") from cause
    except redis.ConnectionError as error:
        return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (redis.ReadOnlyError("You can't write against a read only replica."), ErrorCode.READONLY),
        (redis.BusyLoadingError("Redis is loading the dataset in memory"), ErrorCode.LOADING),
        (redis.exceptions.MasterDownError("Link with MASTER is down"), ErrorCode.MASTERDOWN),
        (redis.AuthenticationError("invalid username-password pair"), ErrorCode.AUTH),
        (redis.ResponseError("NOREPLICAS Not enough good replicas to write."), ErrorCode.NOREPLICAS),
        (redis.ResponseError("ERR something"), ErrorCode.OTHER_REPLY),
        (redis.TimeoutError("Timeout connecting to server"), ErrorCode.CONNECT_TIMEOUT),
        (redis.TimeoutError("Timeout reading from socket"), ErrorCode.REPLY_TIMEOUT),
        (redis.ConnectionError("Connection closed by server."), ErrorCode.CLOSED),
        (redis.ConnectionError("what?"), ErrorCode.OTHER),
        (raised_from(ConnectionRefusedError(111, "refused")), ErrorCode.REFUSED),
        (raised_from(socket.gaierror(-2, "not known")), ErrorCode.NAME_NOT_FOUND),
    ],
)
def test_an_exception_of_the_library_says_why(error: Exception, code: ErrorCode):
    assert code_of(error) is code
