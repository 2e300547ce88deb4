"""The forwarder as the nest has it, between servers and clients of the test's own. Each server says its number."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from functools import partial

import pytest

from chaos.cluster.local.forwarder import RESET
from chaos.cluster.local.loopback import Forwarding, Loopback
from chaos.errors import SetupError
from chaos.net.service import Service
from chaos.until import until
from tests.rig import free_port

SERVERS = 3
BIG = 4 << 20
WITHIN_S = 60.0

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def answer(number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A line with its number for each line; everything back after `echo`; an end after `bye`, a reset after `reset`."""
    while line := (await reader.readline()).strip():
        if line == b"reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.transport.abort()
            return
        if line == b"echo":
            writer.write(await reader.readexactly(BIG))
        else:
            writer.write(b"%d\n" % number)
        if line == b"bye":
            break
    writer.close()


class Front:
    """A Service's address, and what is behind it."""

    def __init__(self, forwarding: Forwarding, failed: list[BaseException], servers: list[tuple[str, int]]) -> None:
        self.forwarding, self.failed, self.servers = forwarding, failed, servers
        self.at = (f"{forwarding.addresses}.10", free_port())

    async def leads_to(self, *endpoints: tuple[str, int]) -> None:
        done = asyncio.Event()
        self.forwarding.apply([Service(*self.at, endpoints)], done.set)
        async with asyncio.timeout(WITHIN_S):
            await done.wait()

    async def failure(self) -> BaseException:
        async def said() -> list[BaseException]:
            return self.failed

        [error] = await until(said, within_s=WITHIN_S, because="it was said", every_s=0.01)
        return error

    async def opened(self) -> Stream:
        return await asyncio.open_connection(*self.at)

    async def reached(self) -> bytes:
        """Who answers a new connection."""
        stream = await self.opened()
        try:
            return await asked(stream)
        finally:
            stream[1].close()


async def asked(stream: Stream, line: bytes = b"who") -> bytes:
    reader, writer = stream
    writer.write(line + b"\n")
    async with asyncio.timeout(WITHIN_S):
        return (await reader.readline()).strip()


@pytest.fixture
async def front(tmp_path) -> AsyncIterator[Front]:
    loopback, failed = Loopback((free_port(),)), list[BaseException]()
    space = loopback.space(f"{loopback.members}.4.1")
    async with AsyncExitStack() as held:
        servers = []
        for number in range(SERVERS):
            server = await asyncio.start_server(partial(answer, number), f"{loopback.members}.1.1", 0)
            held.callback(server.close)
            servers.append(server.sockets[0].getsockname())
        forwarding = loopback.services(space, tmp_path / "forwarder.log", failed.append)
        yield Front(forwarding, failed, servers)
        await forwarding.end()
        loopback._held.close()


async def test_new_connections_go_to_every_endpoint_and_nowhere_else(front):
    await front.leads_to(*front.servers[:2])
    assert {await front.reached() for _ in range(40)} == {b"0", b"1"}


async def test_new_connections_move_and_established_ones_stay(front):
    await front.leads_to(front.servers[0])
    kept = await front.opened()
    assert await asked(kept) == b"0"
    await front.leads_to(front.servers[1])
    assert {await front.reached() for _ in range(10)} == {b"1"}
    assert await asked(kept) == b"0"
    await front.leads_to()
    assert await asked(kept, b"bye") == b"0"
    assert await kept[0].read() == b""
    kept[1].close()


async def test_without_an_endpoint_the_kernel_refuses_until_there_is_one(front):
    for _ in range(2):
        await front.leads_to()
        with pytest.raises(ConnectionRefusedError):
            await front.opened()
        await front.leads_to(front.servers[2])
        assert await front.reached() == b"2"


async def test_an_endpoint_that_refuses_is_a_reset(front):
    await front.leads_to((front.servers[0][0], free_port()))
    with pytest.raises(ConnectionResetError):
        assert not await front.reached()


async def test_a_reset_is_passed_on_as_one(front):
    await front.leads_to(front.servers[0])
    stream = await front.opened()
    with pytest.raises(ConnectionResetError):
        assert not await asked(stream, b"reset")
    stream[1].close()


async def test_much_goes_through_whole_in_both_directions(front):
    await front.leads_to(front.servers[0])
    reader, writer = await front.opened()
    sent = os.urandom(BIG)
    writer.write(b"echo\n" + sent)
    async with asyncio.timeout(WITHIN_S):
        assert await reader.readexactly(BIG) == sent
    writer.close()


async def test_what_a_client_leaves_is_closed_at_its_endpoint(front):
    open_now = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        open_now += 1
        await reader.read()
        open_now -= 1
        writer.close()

    async def count(wanted: int) -> bool:
        return open_now == wanted

    server = await asyncio.start_server(counted, front.servers[0][0], 0)
    await front.leads_to(server.sockets[0].getsockname())
    streams = [await front.opened() for _ in range(50)]
    await until(lambda: count(50), within_s=WITHIN_S, because="all came", every_s=0.01)
    for _, writer in streams:
        writer.close()
    await until(lambda: count(0), within_s=WITHIN_S, because="all left", every_s=0.01)
    server.close()


async def test_hundreds_that_come_at_once_are_all_answered(front):
    await front.leads_to(*front.servers)
    answers = await asyncio.gather(*(front.reached() for _ in range(400)))
    assert set(answers) == {b"0", b"1", b"2"}


async def test_a_forwarder_that_ends_by_itself_is_a_failure_with_its_last_words(front):
    await front.leads_to(front.servers[0])
    os.kill(front.forwarding._process.pid, signal.SIGKILL)
    error = await front.failure()
    assert isinstance(error, SetupError)
    assert str(error) == "the forwarder of the Services ended with SIGKILL: it said nothing"


async def test_an_address_that_somebody_has_is_a_failure_that_names_it(front):
    with socket.create_server(front.at):
        address, port = front.at
        front.forwarding.apply([Service(address, port, (front.servers[0],))], lambda: None)
        error = await front.failure()
    assert "address already in use" in str(error)
    assert front.at[0] in str(error)
