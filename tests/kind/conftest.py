"""The cluster is made, and the system deployed, before the first test: a campaign then finds both, and is quick."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chaos.cluster.kube.platform import KindPlatform
from chaos.scenario import load
from tests.kind.system import System, connected


@pytest.fixture(scope="session")
def _deployed() -> None:
    """Not held: each campaign takes the cluster's lock for itself. It stays, as where it was there before."""

    async def deploy() -> None:
        loaded = load("redis-operator")
        async with KindPlatform(loaded.scenario, loaded.folder, keep=True, tell=lambda _: None) as platform:
            await platform.deploy()

    asyncio.run(deploy())


@pytest.fixture
async def system(_deployed: None) -> AsyncIterator[System]:
    async with connected() as one:
        yield one
