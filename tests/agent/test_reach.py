"""Finding a container's own process, where it has no pid namespace of its own (`shareProcessNamespace`)."""

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.agent import reach
from chaos.agent.faults import Faults
from chaos.agent.node import Container
from chaos.errors import FaultError
from tests.agent.containers import CGROUPS, leave

pytestmark = pytest.mark.netns

ID = secrets.token_hex(32)
"""Of this run alone: another may be going on beside it."""
FREEZER = Path("/sys/fs/cgroup/freezer")


@pytest.fixture
def shared() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child, both in the container's cgroup, in this pid namespace."""
    group = CGROUPS / f"cri-containerd-{ID}.scope"
    group.mkdir()
    program = f"echo $$ > {group}/cgroup.procs; trap '' TERM; sleep 600 & echo ready; wait"
    process = subprocess.Popen(["sh", "-c", program], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    for pid in reach.processes(ID):
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=60)
    leave(group)


def test_the_one_whose_parent_is_outside_is_the_containers_own(shared: subprocess.Popen[bytes]) -> None:
    assert len(reach.processes(ID)) == 2
    assert reach.main_process(ID) == shared.pid


@pytest.fixture
def frozen(shared: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The same, frozen: such a process takes no signal, not even SIGKILL."""
    group = FREEZER / f"test-{shared.pid}"
    group.mkdir()
    (group / "cgroup.procs").write_text(str(shared.pid))
    (group / "freezer.state").write_text("FROZEN")
    yield shared
    (group / "freezer.state").write_text("THAWED")
    shared.wait(60)
    leave(group)


@pytest.mark.skipif(not FREEZER.exists(), reason="a version 2 cgroup lets a frozen process be killed")
async def test_a_kill_that_does_not_show_is_said_to_be_none(frozen: subprocess.Popen[bytes], tmp_path: Path) -> None:
    answer = await Faults(tmp_path, Container).kill({"container": ID})

    assert answer["seen"] is False
    assert answer["evidence"] == f"process {frozen.pid} is still there 2 s after SIGKILL"


@pytest.mark.skipif(not FREEZER.exists(), reason="a version 2 cgroup lets a frozen process be killed")
async def test_a_stop_that_does_not_show_is_an_error(frozen: subprocess.Popen[bytes]) -> None:
    with pytest.raises(FaultError, match="is not yet stopped after SIGSTOP"):
        await reach.stop_or_continue(reach.processes(ID), signal.SIGSTOP, within_s=0.1)
    frozen.kill()


def test_a_process_is_stopped_from_its_stop_until_it_goes_on_and_not_once_it_has_ended() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        seen = [reach.is_stopped(process.pid)]
        for number in (signal.SIGSTOP, signal.SIGCONT):
            process.send_signal(number)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WCONTINUED)
            seen.append(reach.is_stopped(process.pid))
        process.kill()
        process.wait(60)
        seen.append(reach.is_stopped(process.pid))
    assert seen == [False, True, False, False]
