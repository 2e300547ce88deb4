"""The operator's loop: when reconciles are due, how long its client waits (made short here), and what it logs."""

import asyncio
import io
import json
import re
import socket
import time
from contextlib import ExitStack

import pytest

from chaos.analysis.logs import parse
from chaos.cluster.local.controller import ApiServer
from chaos.operators.spotahome import LABEL_LINE
from chaos.operators.spotahome.reconcile import Failed, label
from chaos.operators.spotahome.resync import Caller, Patience, attempt, next_ns
from tests.operators.world import redis
from tests.rig import LOOPBACK, REDIS, Rig, free_port

SHORT = Patience(dial_s=0.2, read_s=0.1, attempts=4, backoff_s=0.001)


async def failing(port: int, *words: str) -> tuple[str, float]:
    """What was raised, and after how many seconds."""
    begun_s = time.monotonic()
    with pytest.raises(Failed) as failed:
        await Caller(SHORT).call((LOOPBACK, port), words)
    return str(failed.value), time.monotonic() - begun_s


async def test_a_black_hole_costs_four_times_the_time_to_connect():
    with ExitStack() as open_sockets:
        server = open_sockets.enter_context(socket.create_server((LOOPBACK, 0), backlog=0))
        port = server.getsockname()[1]
        for _ in range(3):  # more than its queue takes: what comes after them gets no answer
            waiting = open_sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((LOOPBACK, port))
        said, seconds = await failing(port, "PING")

    assert said == f"{LOOPBACK}:{port}: i/o timeout"
    assert 0.8 < seconds < 20


async def test_one_that_hangs_costs_four_times_the_time_to_answer():
    with socket.create_server((LOOPBACK, 0)) as server:
        said, seconds = await failing(server.getsockname()[1], "PING")

    assert said.endswith("i/o timeout")
    assert 0.4 < seconds < 15


async def test_one_that_refuses_costs_next_to_nothing():
    said, seconds = await failing(free_port(), "PING")

    assert "onnect" in said
    assert seconds < 10


@pytest.mark.redis
async def test_an_error_reply_is_not_asked_for_again(rig: Rig):
    port = rig.processes[REDIS[0]].port
    said, _ = await failing(port, "CONFIG", "SET", "appendonly", "perhaps")

    assert said.startswith("ERR ")
    assert await Caller(SHORT).call((LOOPBACK, port), ("PING",)) == "PONG"


@pytest.mark.redis
async def test_one_that_answers_in_the_end_is_heard(rig: Rig):
    rig.pause(REDIS[0])
    asyncio.get_running_loop().call_later(0.15, rig.resume, REDIS[0])

    assert await Caller(SHORT).call((LOOPBACK, rig.processes[REDIS[0]].port), ("PING",)) == "PONG"


@pytest.mark.parametrize(
    ("now", "due"),
    [(101, 130), (129, 130), (130, 130), (131, 130), (159, 130), (161, 160), (195, 190)],
)
def test_ticks_that_came_meanwhile_are_one_and_the_phase_stays(now, due):
    assert next_ns(100, now, 30) == due


async def test_a_label_is_logged_as_the_room_reads_it():
    out, log = io.StringIO(), io.StringIO()
    await attempt(label(redis(1), "master"), Caller(SHORT), ApiServer(out, log))
    line = parse(log.getvalue().rstrip(), "controller")
    assert line is not None
    assert re.match(rf'level=info msg="{LABEL_LINE}, .*pod name: r-1, labels: map\[role:master\]"', line.message)
    assert json.loads(out.getvalue()) == {"label": {"pod": "r-1", "role": "master"}}
