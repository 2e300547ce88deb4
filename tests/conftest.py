"""Fixtures that tests of several parts share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.cluster.local.servers import Server
from tests.rig import Rig, running
from tests.servers import SERVERS, server_or_skip


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A real master, two replicas and three Sentinels on loopback; down-after is 2 s. Mark the test `redis`."""
    directory = tmp_path / "rig"
    directory.mkdir()
    with running(directory) as system:
        yield system


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> Server:
    """Each server in turn; one that is not here is skipped. Mark the test `redis`."""
    return server_or_skip(request.param)


@pytest.fixture
def rig_of(server: Server, tmp_path: Path) -> Iterator[Rig]:
    """The same system as `rig`, of each server."""
    directory = tmp_path / "rig"
    directory.mkdir()
    with running(directory, program=str(server.program)) as system:
        yield system
