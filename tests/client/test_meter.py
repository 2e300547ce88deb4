"""Meters against a real Redis: what each kind of trouble looks like in the rows."""

import asyncio
import signal
import socket
from itertools import pairwise
from pathlib import Path

import pytest

from chaos.client.spec import Connection
from chaos.clock import mono_ns
from chaos.model import ErrorCode, Outcome, RowFlag
from chaos.record.layout import NOBODY, Row
from tests.client.conftest import Start
from tests.client.play import (
    DEADLINE_S,
    RATE_HZ,
    ended,
    good,
    load,
    new_and_kept,
    outcomes,
    outcomes_in_time,
    playing,
    seconds,
    spec,
)
from tests.rig import free_port
from tests.saying import said

pytestmark = pytest.mark.redis
OK = (Outcome.OK, ErrorCode.NONE)
PERIOD_NS = round(1e9 / RATE_HZ)


async def test_every_slot_is_a_row_on_the_schedule(start: Start, tmp_path: Path):
    server = start()
    async with playing(tmp_path, new_and_kept(server.address)) as play:
        await seconds(1)
    for client in (0, 1):
        rows = play.of(client)
        assert len(rows) == pytest.approx(48, abs=4)
        assert outcomes_in_time(rows) == {OK}
        assert [row.seq for row in rows] == list(range(len(rows)))
        assert {after.intended_ns - before.intended_ns for before, after in pairwise(rows)} == {PERIOD_NS}
        assert all(0 < row.sent_us <= row.done_us for row in rows)
    assert server.call("GET", "failover:t:0:1:0") == "x" * 32
    assert 0 < server.call("PTTL", "failover:t:0:0:3") <= 60_000


async def test_rows_name_who_was_asked_and_who_answered(start: Start, tmp_path: Path):
    server = start()
    async with playing(tmp_path, new_and_kept(server.address)) as play:
        await seconds(0.3)
    (node,), (target,) = play.kinds("node"), play.kinds("target")
    assert node.event.run_id in server.call("INFO", "server")
    assert said(target) == {"index": 0, "address": server.address}
    assert {(row.node, row.target) for row in play.rows} == {(0, 0)}


async def test_new_opens_a_connection_an_operation_and_kept_one_for_all(start: Start, tmp_path: Path):
    server = start()
    async with playing(tmp_path, new_and_kept(server.address)) as play:
        await seconds(0.3)
    new, kept = play.of(0), play.of(1)
    assert [row.connection for row in new] == list(range(len(new)))
    assert {row.connection for row in kept} == {0}
    assert all(row.flags == RowFlag.OPENED for row in new)
    assert [row.flags for row in kept] == [RowFlag.OPENED] + [0] * (len(kept) - 1)
    opened, closed = play.kinds("connection.opened"), play.kinds("connection.closed")
    assert [event.event.client for event in opened + closed] == [1, 1]
    assert closed[0].event.because == "stopped"


async def test_a_refused_port_fails_and_was_never_sent(tmp_path: Path):
    async with playing(tmp_path, new_and_kept(f"127.0.0.1:{free_port()}")) as play:
        await seconds(0.3)
    assert outcomes_in_time(play.rows) == {(Outcome.FAILED, ErrorCode.REFUSED)}
    assert {(row.sent_us, row.node) for row in play.rows} == {(0, NOBODY)}


async def test_a_peer_that_does_not_take_connections_was_never_sent_to(tmp_path: Path):
    """Linux drops what would not fit a listener's queue, as a black hole does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        queue = [socket.create_connection(address, timeout=1)]
        async with playing(tmp_path, new_and_kept(f"127.0.0.1:{address[1]}")) as play:
            await seconds(0.6)
        for waiting in queue:
            waiting.close()
    assert outcomes(play.of(0)) == {(Outcome.FAILED, ErrorCode.CONNECT_TIMEOUT)}
    assert outcomes(play.of(1)) == {(Outcome.FAILED, ErrorCode.CONNECT_TIMEOUT), (Outcome.FAILED, ErrorCode.NOT_SENT)}
    assert {row.sent_us for row in play.rows} == {0}


async def test_a_replica_refuses_writes_and_says_who_it_is(start: Start, tmp_path: Path):
    master = start()
    replica = start("--replicaof", *master.address.split(":"))
    async with playing(tmp_path, new_and_kept(replica.address), load(deadline_s=2.0)) as play:
        await seconds(0.3)
    assert outcomes_in_time(play.rows) == {(Outcome.FAILED, ErrorCode.READONLY)}
    assert {row.node for row in play.rows} == {0}
    assert len({row.connection for row in play.of(1)}) > len(play.of(1)) / 2, "kept reopens after an error reply"


async def test_a_stopped_server_times_out_and_the_schedule_goes_on(start: Start, tmp_path: Path):
    server = start()
    async with playing(tmp_path, new_and_kept(server.address)) as play:
        await seconds(0.3)
        begun_ns = mono_ns()
        server.signal(signal.SIGSTOP)
        await seconds(0.75)
        server.signal(signal.SIGCONT)
        stopped_s = (mono_ns() - begun_ns) / 1e9
        await seconds(0.4)
    for client in (0, 1):
        rows = play.of(client)
        assert {after.intended_ns - before.intended_ns for before, after in pairwise(rows)} == {PERIOD_NS}
        bad = [row for row in rows if row.outcome != Outcome.OK]
        assert len(bad) >= (stopped_s - DEADLINE_S) * RATE_HZ - 8
        assert all(row.done_us <= 2 * DEADLINE_S * 1e6 for row in bad)
        assert rows[-1].outcome == Outcome.OK
    assert (Outcome.UNKNOWN, ErrorCode.REPLY_TIMEOUT) in outcomes(play.of(0))
    kept = outcomes(play.of(1))
    assert {(Outcome.UNKNOWN, ErrorCode.REPLY_TIMEOUT), (Outcome.UNKNOWN, ErrorCode.CLOSED)} <= kept


async def test_a_loading_server_fails(start: Start, tmp_path: Path):
    server = start(
        "--key-load-delay", "3000", "--enable-debug-command", "yes", "--loading-process-events-interval-bytes", "1024"
    )
    for number in range(200):
        server.call("SET", f"filler:{number}", "x" * 100)
    reload = asyncio.create_task(asyncio.to_thread(server.call, "DEBUG", "RELOAD"))
    await asyncio.sleep(0.1)
    async with playing(tmp_path, new_and_kept(server.address)) as play:
        await reload
        await seconds(0.3)
    for client in (0, 1):
        assert (Outcome.FAILED, ErrorCode.LOADING) in outcomes(play.of(client))
        assert play.of(client)[-1].outcome == Outcome.OK


async def test_a_killed_server_closes_then_refuses_then_serves(start: Start, tmp_path: Path):
    server = start()
    async with playing(tmp_path, new_and_kept(server.address)) as play:
        await seconds(0.2)
        server.kill()
        await seconds(0.2)
        server.start()
        await seconds(0.3)
    for client in (0, 1):
        errors = outcomes(play.of(client))
        assert {OK, (Outcome.FAILED, ErrorCode.REFUSED)} <= errors
        assert play.of(client)[-1].outcome == Outcome.OK
    assert len(play.kinds("node")) == 2


async def test_a_killed_connection_ends_kept_and_the_next_slot_reopens(start: Start, tmp_path: Path):
    server = start()
    async with playing(tmp_path, [spec(server.address, connection="kept")]) as play:
        await seconds(0.25)
        server.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await seconds(0.25)
    assert {row.connection for row in play.rows} == {0, 1}
    assert play.kinds("connection.closed")[0].event.because in ("CLOSED", "RESET")
    assert good(play.rows)[-1].connection == 1


async def test_a_stalled_loop_misses_slots_and_says_so(start: Start, tmp_path: Path):
    server = start()
    async with playing(tmp_path, new_and_kept(server.address)) as play:
        await seconds(0.2)
        stall_until = mono_ns() + 550_000_000
        while mono_ns() < stall_until:
            pass
        await seconds(0.2)
    missed = [row for row in play.rows if row.outcome == Outcome.MISSED]
    assert len(missed) == pytest.approx(30, abs=6)
    assert all(row.done_us > DEADLINE_S * 1e6 and row.sent_us == 0 for row in missed)
    for client in (0, 1):
        assert {after.intended_ns - before.intended_ns for before, after in pairwise(play.of(client))} == {PERIOD_NS}


async def test_an_outage_of_known_length_is_measured_within_its_bounds(start: Start, tmp_path: Path):
    """CLIENT PAUSE for long, undone after 3 s: the server's own cron adds up to 0.1 s to a pause that runs out.

    Where the server is silent, the window may be wider than two periods by a deadline: the first good operation was
    sent that long before the end, and waited.
    """
    server = start()
    async with playing(tmp_path, new_and_kept(server.address)) as play:
        await seconds(0.5)
        begun = [mono_ns(), server.call("CLIENT", "PAUSE", 60_000, "WRITE"), mono_ns()]
        await seconds(3)
        ended = [mono_ns(), server.call("CLIENT", "UNPAUSE"), mono_ns()]
        await seconds(1.2)
    shortest_ns, longest_ns = ended[0] - begun[2], ended[2] - begun[0]
    for client in (0, 1):
        least_ns, most_ns, lateness_ns = window(play.of(client))
        assert least_ns <= longest_ns
        assert most_ns >= shortest_ns
        assert most_ns - least_ns <= 2 * PERIOD_NS + DEADLINE_S * 1e9 + lateness_ns


def window(rows: list[Row]) -> tuple[int, int, int]:
    """Least and most length of the one outage, by definition, and how late its edges were sent and answered."""
    bad = [index for index, row in enumerate(rows) if row.outcome != Outcome.OK]
    before, first, last, back = rows[bad[0] - 1], rows[bad[0]], rows[bad[-1]], rows[bad[-1] + 1]
    assert (before.outcome, back.outcome) == (Outcome.OK, Outcome.OK)
    sent_ns = [row.intended_ns + row.sent_us * 1000 for row in (before, first, last)]
    done_ns = back.intended_ns + back.done_us * 1000
    lateness_us = first.sent_us + max(0, back.done_us - round(DEADLINE_S * 1e6))
    return sent_ns[2] - sent_ns[1], done_ns - sent_ns[0], lateness_us * 1000


async def test_a_password_opens_the_server_and_is_in_no_file(start: Start, tmp_path: Path, monkeypatch):
    secret = "correct-horse-battery"
    server = start("--requirepass", secret)
    monkeypatch.setenv("FAILOVER_REDIS_PASSWORD", secret)
    clients = new_and_kept(server.address)
    clients.append(spec(server.address, number=2, kind="application", connection="kept", library="redis-py-pool"))
    record = tmp_path / "record"
    async with playing(record, clients, load(database=3)) as play:
        await ended(play.directory, (0, 1, 2), Outcome.OK)
    assert outcomes_in_time(play.of(0) + play.of(1)) == {OK}
    for path in record.rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes()


async def test_a_wrong_password_fails(start: Start, tmp_path: Path, monkeypatch):
    server = start("--requirepass", "right")
    monkeypatch.setenv("FAILOVER_REDIS_PASSWORD", "wrong")
    async with playing(tmp_path, new_and_kept(server.address)) as play:
        await seconds(0.3)
    assert outcomes_in_time(play.rows) == {(Outcome.FAILED, ErrorCode.AUTH)}


async def test_a_database_that_is_not_there_is_never_ok(start: Start, tmp_path: Path):
    """SELECT refused: the write behind it reached another database, so its OK is none."""
    server = start("--databases", "1")
    async with playing(tmp_path, new_and_kept(server.address), load(database=5)) as play:
        await seconds(0.3)
    assert outcomes_in_time(play.rows) == {(Outcome.UNKNOWN, ErrorCode.OTHER_REPLY)}


async def test_of_a_load_that_is_too_heavy_some_meters_of_each_path_run(start: Start, tmp_path: Path):
    server = start()
    ways: list[Connection] = ["new", "kept", "new", "kept", "new"]
    clients = [spec(server.address, number=number, connection=way) for number, way in enumerate(ways)]
    async with playing(tmp_path, clients) as play:
        await seconds(0.2)
        await play.crew.stop()
        assert play.crew.start(DEADLINE_S, most=1) == [2, 3, 4]
        begun_ns = mono_ns()
        await seconds(0.2)
    assert {row.client for row in play.rows if row.intended_ns > begun_ns} == {0, 1}
    assert {row.client for row in play.rows if row.intended_ns < begun_ns} >= {2, 3, 4}
    assert [row.seq for row in play.of(0)] == list(range(len(play.of(0)))), "they count on"
