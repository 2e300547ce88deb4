"""The cluster is made, and the system deployed, before the first test: a campaign then finds both, and is quick."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chaos.cluster.kube.platform import KindPlatform
from chaos.scenario import load
from tests.fakes import asked
from tests.kind.system import System, connected


@pytest.fixture(scope="session")
def _deployed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Not held: each campaign takes the cluster's lock for itself. It stays, as where it was there before."""

    folder = tmp_path_factory.mktemp("made")

    async def deploy() -> None:
        loaded = load("redis-operator")
        async with KindPlatform(loaded.scenario, loaded.folder, asked(folder, keep=True)) as platform:
            await platform.deploy()

    asyncio.run(deploy())


@pytest.fixture
async def system(_deployed: None) -> AsyncIterator[System]:
    async with connected() as one:
        yield one
