"""nox between a user and what it runs: a signal is waited out, however often and to whom it comes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes import HERE
from tests.rig import wait_for

pytestmark = pytest.mark.slow

SESSION = """

@nox.session(default=False, venv_backend="none")
def held(session: nox.Session) -> None:
    session.run(sys.executable, "held.py", external=True, interrupt_timeout=HEAL_S, terminate_timeout=REMOVE_S)
"""
"""One more session in our own file, run as `failover` is."""
PROGRAM = """
import signal, sys, time
from pathlib import Path

ended = False

def end(*_):
    global ended
    ended = True

signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
Path("begun").touch()
while not ended:
    time.sleep(0.05)
time.sleep(1.5)
Path("healed").touch()
sys.exit(130)
"""
"""It takes longer to heal than nox waits by default."""


@contextmanager
def running(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """nox in a process group of its own, as a shell would start it."""
    shutil.copy(HERE / "pyproject.toml", folder)
    (folder / "noxfile.py").write_text((HERE / "noxfile.py").read_text() + SESSION)
    (folder / "held.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "nox", "-s", "held"]
    with subprocess.Popen(command, cwd=folder, start_new_session=True) as process:
        wait_for((folder / "begun").exists, "the session runs")
        yield process


def test_a_second_ctrl_c_does_not_leave_behind_what_it_runs(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        for _ in range(3):
            os.killpg(process.pid, signal.SIGINT)
            time.sleep(0.5)

        assert process.wait(60) == 130
        assert (tmp_path / "healed").exists()


@pytest.mark.parametrize("times", [1, 2])
def test_sigterm_to_nox_alone_is_passed_on_and_waited_for(tmp_path: Path, times: int) -> None:
    with running(tmp_path) as process:
        for _ in range(times):
            process.terminate()
            time.sleep(0.4)

        assert process.wait(60) == 130
        assert (tmp_path / "healed").exists()
