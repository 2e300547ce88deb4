"""The small client, against a real Redis and against servers that misbehave."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import hiredis
import pytest

from chaos.access import Access
from chaos.resp import Published, Resp
from tests.client.play import Server, peer
from tests.rig import LOOPBACK, free_port


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "redis")
    yield server
    server.kill()


@pytest.mark.redis
async def test_replies_are_values_and_so_are_errors(server: Server):
    async with Resp.connect(LOOPBACK, server.port, 1) as redis:
        assert await redis.call("SET", "k", b"\xff") == "OK"
        assert (await redis.call("GET", "k")).encode("utf-8", "surrogateescape") == b"\xff"
        assert await redis.call("EXISTS", "k") == 1
        assert await redis.call("GET", "none") is None
        error = await redis.call("NOSUCH")
        assert isinstance(error, hiredis.ReplyError)
        assert await redis.call("ROLE") == ["master", 0, []]


@pytest.mark.redis
async def test_a_password_is_checked_on_connecting(server: Server):
    server.call("CONFIG", "SET", "requirepass", "right")
    async with Resp.connect(LOOPBACK, server.port, 1, Access(password="right")) as redis:
        assert await redis.call("PING") == "PONG"
    with pytest.raises(PermissionError, match="WRONGPASS"):
        async with Resp.connect(LOOPBACK, server.port, 1, Access(password="wrong")):
            pass


@pytest.mark.redis
async def test_messages_come_with_the_stamp_of_their_arrival(server: Server):
    async with Resp.connect(LOOPBACK, server.port, 1) as redis:
        await redis.psubscribe("a*", "b*")
        before_ns = time.monotonic_ns()
        await asyncio.to_thread(server.call, "PUBLISH", "apple", "x")
        await asyncio.to_thread(server.call, "PUBLISH", "bee", "y")
        messages = redis.messages(idle_s=0.05)
        first, second = [await anext(messages) for _ in range(2)]
    assert (first.channel, first.payload, second.channel) == ("apple", "x", "bee")
    assert before_ns < first.at_ns <= second.at_ns < time.monotonic_ns()


@pytest.mark.redis
async def test_a_silent_subscription_is_pinged_and_lives(server: Server):
    async with Resp.connect(LOOPBACK, server.port, 1) as redis:
        await redis.psubscribe("*")
        waiting = asyncio.ensure_future(anext(redis.messages(idle_s=0.05)))
        await asyncio.sleep(0.3)
        assert not waiting.done()
        await asyncio.to_thread(server.call, "PUBLISH", "c", "x")
        assert isinstance(await waiting, Published)


async def test_a_black_hole_ends_a_subscription():
    async with (
        peer(b"*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n") as port,
        Resp.connect(LOOPBACK, port, 0.2) as redis,
    ):
        await redis.psubscribe("*")
        with pytest.raises(TimeoutError):
            await anext(redis.messages(idle_s=0.05))


async def test_a_call_without_reply_times_out_and_the_connection_is_not_used_again():
    """Otherwise the next call would take the late reply of this one for its own."""
    async with peer() as port, Resp.connect(LOOPBACK, port, 0.1) as redis:
        with pytest.raises(TimeoutError):
            await redis.call("PING")
        with pytest.raises(ConnectionAbortedError):
            await redis.call("PING")


async def test_a_refused_subscription_ends_it():
    async with peer(b"+OK\r\n-NOAUTH first\r\n") as port, Resp.connect(LOOPBACK, port, 1) as redis:
        await redis.psubscribe("*")
        with pytest.raises(ConnectionAbortedError, match="NOAUTH"):
            await anext(redis.messages())


@pytest.mark.parametrize(("answer", "error"), [(b"", ConnectionResetError), (b"?what\r\n", ConnectionAbortedError)])
async def test_trouble_is_an_oserror(answer: bytes, error: type[OSError]):
    async with peer(answer) as port, Resp.connect(LOOPBACK, port, 1) as redis:
        with pytest.raises(error):
            await redis.call("PING")


async def test_a_refused_port_is_an_oserror():
    with pytest.raises(ConnectionRefusedError):
        async with Resp.connect(LOOPBACK, free_port(), 1):
            pass
