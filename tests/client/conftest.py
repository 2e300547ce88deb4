"""A real Redis for the tests of the clients."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.play import Server

Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a redis-server with options; each is ended with the test. Mark the test `redis`."""
    servers: list[Server] = []

    def starter(*options: str) -> Server:
        servers.append(Server(tmp_path / f"redis-{len(servers)}", *options))
        return servers[-1]

    yield starter
    for server in servers:
        server.kill()
