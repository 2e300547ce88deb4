"""Meters that ask Sentinel for the master, against the real thing and against one that misbehaves."""

from pathlib import Path

import pytest

from chaos.model import ErrorCode, Outcome, RowFlag
from chaos.record.layout import NOBODY
from tests.client.play import good, new_and_kept, outcomes, outcomes_in_time, peer, playing, seconds
from tests.rig import LOOPBACK, REDIS, SENTINELS, Rig, free_port

ASKED = RowFlag.OPENED | RowFlag.DISCOVERED


@pytest.mark.redis
async def test_new_asks_for_each_operation_and_kept_for_each_connection(rig: Rig, tmp_path: Path):
    sentinel = f"{LOOPBACK}:{rig.member(SENTINELS[0]).port}"
    master = f"{LOOPBACK}:{rig.member(REDIS[0]).port}"
    async with playing(tmp_path / "record", new_and_kept(sentinel, via_sentinel=True)) as play:
        await seconds(0.4)
    assert outcomes_in_time(play.rows) == {(Outcome.OK, ErrorCode.NONE)}
    assert {row.flags for row in play.of(0)} == {ASKED}
    assert [row.flags for row in play.of(1)] == [ASKED] + [0] * (len(play.of(1)) - 1)
    (target,), (node,) = play.kinds("target"), play.kinds("node")
    assert target.event.address == node.event.address == master
    told = play.kinds("discovery")
    assert sorted((event.event.client, event.event.address) for event in told) == [(0, master), (1, master)]
    assert all(0 < event.event.took_us < 100_000 for event in told)


@pytest.mark.redis
async def test_after_a_failover_both_are_told_the_new_master(rig: Rig, tmp_path: Path):
    sentinel = f"{LOOPBACK}:{rig.member(SENTINELS[0]).port}"
    async with playing(tmp_path / "record", new_and_kept(sentinel, via_sentinel=True)) as play:
        await seconds(0.4)
        rig.kill(REDIS[0])
        await seconds(5)
    for client in (0, 1):
        rows = play.of(client)
        assert (Outcome.FAILED, ErrorCode.REFUSED) in outcomes(rows)
        assert good(rows)[-1].node != good(rows)[0].node
        told = [event.event.address for event in play.kinds("discovery") if event.event.client == client]
        assert told[-1] != told[0]


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ((b"*-1\r\n",), ErrorCode.NO_MASTER),
        ((b"-ERR unknown\r\n",), ErrorCode.DISCOVERY_FAILED),
        ((b"?\r\n",), ErrorCode.DISCOVERY_FAILED),
        ((b"",), ErrorCode.DISCOVERY_FAILED),
        ((), ErrorCode.DISCOVERY_TIMEOUT),
    ],
)
async def test_a_sentinel_that_does_not_say_fails_the_operation(
    answers: tuple[bytes, ...], error: ErrorCode, tmp_path: Path
):
    async with peer(*answers) as port:
        clients = new_and_kept(f"{LOOPBACK}:{port}", via_sentinel=True)
        async with playing(tmp_path, clients) as play:
            await seconds(0.6)
    assert (Outcome.FAILED, error) in outcomes(play.rows)
    assert outcomes(play.rows) <= {(Outcome.FAILED, error), (Outcome.FAILED, ErrorCode.NOT_SENT)}
    assert {(row.sent_us, row.target, row.node) for row in play.rows} == {(0, NOBODY, NOBODY)}
    assert {event.event.address for event in play.kinds("discovery")} == {None}


async def test_a_refused_sentinel_fails_the_operation(tmp_path: Path):
    async with playing(tmp_path, new_and_kept(f"{LOOPBACK}:{free_port()}", via_sentinel=True)) as play:
        await seconds(0.2)
    assert outcomes_in_time(play.rows) == {(Outcome.FAILED, ErrorCode.DISCOVERY_FAILED)}
    said = play.kinds("discovery")
    assert sorted((event.event.client, event.event.error) for event in said) == [(0, "REFUSED"), (1, "REFUSED")]
