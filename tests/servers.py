"""The servers whose words and ways differ, where they are here. A test of all of them takes the fixture `server`."""

import pytest

from chaos.cluster.local.servers import Server, find
from chaos.errors import SetupError
from chaos.scenario.places import LocalServer

SERVERS = {
    "redis-6.2": LocalServer(program="redis", versions=">=6.2, <7"),
    "redis-7": LocalServer(program="redis", versions=">=7, <8"),
    "valkey": LocalServer(program="valkey"),
}
"""By the ids of the tests that run on each."""


def server_or_skip(name: str) -> Server:
    try:
        return find(SERVERS[name])
    except SetupError as error:
        pytest.skip(str(error))
