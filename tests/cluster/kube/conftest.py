"""What the tests of the Kubernetes side share: an API server of cardboard, programs of our own on the PATH."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from chaos.cluster.kube.api import Api
from chaos.cluster.kube.platform import KindPlatform
from chaos.progress import Message
from chaos.scenario import Scenario, load
from tests.cluster.kube.server import Server, serving
from tests.fakes import asked


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


@pytest.fixture
def api(server: Server, tmp_path: Path) -> Iterator[Api]:
    with Api(server.kubeconfig(tmp_path), "fake") as one:
        yield one


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Put a shell script on the PATH under the name of a program; nothing but these and the shell is there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def put(name: str, script: str) -> None:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return put


@dataclass
class System:
    """The scenario redis-operator, deployed on kind, its pods Ready; `said` is what the platform told its user."""

    scenario: Scenario
    folder: Path
    ref: dict[str, str] = field(default_factory=dict)
    said: list[Message] = field(default_factory=list)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Held by one module at a time. The cluster stays: the next one, and `nox -s failover`, find it warm."""
    loaded = load("redis-operator")
    one = System(loaded.scenario, loaded.folder)
    folder = tmp_path_factory.mktemp("made")
    platform = KindPlatform(one.scenario, one.folder, asked(folder, one.said.append, keep=True))
    with asyncio.Runner() as runner:
        runner.run(platform.__aenter__())
        try:
            runner.run(platform.deploy())
            one.ref = platform.ref()
            yield one
        finally:
            runner.run(platform.__aexit__(None, None, None))
