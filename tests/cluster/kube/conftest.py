"""What the tests of the Kubernetes side share: an API server of cardboard, programs of our own on the PATH."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaos.cluster.kube.api import Api
from tests.cluster.kube.server import Server, serving


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
