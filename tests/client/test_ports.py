"""Source ports in their turn."""

import socket
from collections.abc import Iterator
from random import randrange

import pytest

from chaos.client.link import TAKEN, Ports


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as one:
        one.settimeout(60)
        yield one


def connected(ports: Ports, server: socket.socket) -> tuple[socket.socket, int]:
    """Our end, and the port that the server sees it come from."""
    ours, _ = ports.connecting(server.getsockname())
    theirs, address = server.accept()
    theirs.close()
    return ours, address[1]


def few(count: int = 5) -> Ports:
    """A short range of free ports, below those that the kernel gives to others."""
    for first in range(randrange(10_000, 20_000), 30_000, count):
        ports = Ports(first, first + count - 1)
        if all(map(is_free, ports.numbers)):
            return ports
    raise AssertionError("no free ports")


def is_free(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


def test_each_port_comes_in_its_turn_and_again_only_when_all_have_come(server: socket.socket) -> None:
    ports, seen = few(), []
    for _ in range(10):
        ours, port = connected(ports, server)
        ours.close()
        seen.append(port)
    assert set(seen[:5]) == set(ports.numbers)
    assert seen[:5] == seen[5:]


def test_each_address_has_a_turn_of_its_own(server: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(60)
        ports = few()
        kept = [connected(ports, one) for one in (server, other) for _ in range(5)]
    assert len({port for _, port in kept}) == 5
    for ours, _ in kept:
        ours.close()


def test_a_port_that_is_taken_is_passed_over(server: socket.socket) -> None:
    ports = few(2)
    kept, one = connected(ports, server)
    seen = []
    for _ in range(3):
        ours, port = connected(ports, server)
        ours.close()
        seen.append(port)
    assert set(seen) == set(ports.numbers) - {one}
    kept.close()


def test_a_socket_never_connects_to_itself() -> None:
    ports = few(2)
    for _ in range(4):
        ours, _ = ports.connecting(("127.0.0.1", ports.numbers[0]))
        assert ours.getsockname()[1] == ports.numbers[1]
        ours.close()


def test_where_all_are_taken_it_is_said(server: socket.socket) -> None:
    ports = few(1)
    kept, _ = connected(ports, server)
    ours, error = ports.connecting(server.getsockname())
    assert error in TAKEN
    ours.close()
    kept.close()


def test_this_host_lends_ports() -> None:
    assert len(Ports.of_this_host().numbers) > 1000
