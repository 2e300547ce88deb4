"""How long the operator's client waits, with its patience made short."""

import asyncio
import socket
import time
from contextlib import ExitStack

import pytest

from chaos.cluster.local.controller.calls import Caller, Patience
from chaos.cluster.local.controller.steps import Failed
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
    assert 0.8 < seconds < 2.0


async def test_one_that_hangs_costs_four_times_the_time_to_answer():
    with socket.create_server((LOOPBACK, 0)) as server:
        said, seconds = await failing(server.getsockname()[1], "PING")

    assert said.endswith("i/o timeout")
    assert 0.4 < seconds < 1.5


async def test_one_that_refuses_costs_next_to_nothing():
    said, seconds = await failing(free_port(), "PING")

    assert "onnect" in said
    assert seconds < 1.0


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
