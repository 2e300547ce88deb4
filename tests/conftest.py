"""Fixtures that tests of several parts share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rig import Rig, running


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A real master, two replicas and three Sentinels on loopback; down-after is 1 s. Mark the test `redis`."""
    directory = tmp_path / "rig"
    directory.mkdir()
    with running(directory) as system:
        yield system
