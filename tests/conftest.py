"""Fixtures that tests of several parts share, and the share of inconclusive trials, printed at the session's end."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from chaos.analysis.result import Verdict
from chaos.cluster.local.servers import Server
from chaos.undo import STATE
from tests import verdicts
from tests.rig import Rig, running
from tests.servers import SERVERS, server_or_skip

VERDICT = "verdict of a trial"
_verdicts: list[tuple[str, str]] = []
"""Of each trial, with the test that played it."""


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """What a test says of itself reaches the process that prints, also where the test ran in another one."""
    item.user_properties += [(VERDICT, verdict) for verdict in verdicts.taken()]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "teardown":
        _verdicts.extend((str(value), report.nodeid) for name, value in report.user_properties if name == VERDICT)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _verdicts:
        unknown = [test for verdict, test in _verdicts if verdict == Verdict.INCONCLUSIVE]
        share = f"{len(unknown)} ({len(unknown) / len(_verdicts):.0%})"
        where = f": {', '.join(sorted(set(unknown)))}" if unknown else ""
        terminalreporter.write_line(f"trials on real servers: {len(_verdicts)}, inconclusive: {share}{where}")


def pytest_configure(config: pytest.Config) -> None:
    """Runs of the tests write down what undoes their faults in a place of this process, and tell of no others."""
    os.environ[STATE] = tempfile.mkdtemp(prefix="failover-state-")
    config.add_cleanup(partial(shutil.rmtree, os.environ[STATE]))


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
