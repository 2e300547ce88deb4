"""What is left when a nest, or whoever holds it, is killed: nothing. And what an ordinary user can do: all of it."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from chaos.errors import SetupError
from chaos.until import until
from tests.cluster.local.systems import WITHIN_S, family, held, nest_pid, there
from tests.cluster.local.test_network import outside

pytestmark = pytest.mark.local

NOBODY = 65534
ROOT = Path(__file__).parents[3]
HOLDER = """
import asyncio, sys
from contextlib import suppress
from pathlib import Path
from tests.cluster.local.systems import held, nest_pid, family

async def hold():
    async with held(Path(sys.argv[1])) as one:
        members = await one.cluster.members()
        print(len(members), *family(nest_pid()), flush=True)
        if sys.argv[2:]:
            return
        await asyncio.Event().wait()

asyncio.run(hold())
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Where the nests of a test have their directories; others may run on this machine."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def namespaces(pids: list[int]) -> set[int]:
    return {Path(f"/proc/{pid}/ns/net").stat().st_ino for pid in pids}


def all_namespaces() -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                found.add((entry / "ns" / "net").stat().st_ino)
            except OSError:
                continue
    return found


async def all_gone(pids: list[int], spaces: set[int]) -> None:
    async def none_there() -> bool:
        return not there(pids) and not spaces & all_namespaces()

    await until(none_there, within_s=WITHIN_S, because=lambda: f"{there(pids)} still run", every_s=0.02)


async def test_a_system_that_is_left_leaves_nothing(tmp_path, place):
    before = outside()
    async with held(tmp_path):
        pids = family(nest_pid())
        spaces = namespaces(pids)
        assert len(pids) == 8
        assert len(spaces) == 8
        assert len(list(place.iterdir())) == 1
        assert outside() == before
    assert there(pids) == []
    assert not spaces & all_namespaces()
    assert list(place.iterdir()) == []
    assert outside() == before


async def test_a_nest_that_is_killed_takes_all_with_it_and_whoever_holds_it_is_told(tmp_path, place):
    async with held(tmp_path) as one:
        pids = family(nest_pid())
        spaces = namespaces(pids)
        os.kill(pids[0], signal.SIGKILL)
        await all_gone(pids, spaces)
        with pytest.raises(SetupError, match="the local system ended"):
            await one.following
        with pytest.raises(SetupError, match="the local system ended"):
            await one.cluster.heal()
    [left] = place.iterdir()
    async with held(tmp_path / "next"):
        assert not left.exists()


async def test_a_nest_that_does_not_end_in_order_is_killed_and_that_is_said(tmp_path, place, monkeypatch):
    monkeypatch.setattr("chaos.cluster.local.cluster.LEAVE_S", 0.5)
    pids: list[int] = []

    async def hold_and_stop() -> None:
        async with held(tmp_path):
            pids.extend(family(nest_pid()))
            os.kill(pids[0], signal.SIGSTOP)

    with pytest.raises(SetupError, match=r"did not end as it should \(SIGKILL\)"):
        await hold_and_stop()
    await all_gone(pids, set())


def test_a_holder_that_is_killed_takes_its_nest_with_it(tmp_path, place):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        count, *pids = [int(word) for word in holder.stdout.readline().split()]
        spaces = namespaces(pids)
        assert (count, len(pids)) == (7, 8)
        holder.kill()
    asyncio.run(all_gone(pids, spaces))
    assert list(place.iterdir()) == []


@pytest.fixture
def anybodys():
    """A folder that an ordinary user may reach, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chown(folder, NOBODY, NOBODY)
    yield folder
    shutil.rmtree(folder)


def python_for(user: list[str], environment: dict[str, str]) -> str:
    """This Python, or the machine's own of the same version where the user may not reach ours."""
    program = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import tests.rig'], check=True)"
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        command = [*user, python, "-c", program]
        with suppress(FileNotFoundError):
            if subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60).returncode == 0:
                return python
    pytest.skip("an ordinary user can reach no Python with what is installed here")


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="becomes an ordinary user")
def test_an_ordinary_user_can_hold_a_system(anybodys):
    installed = Path(pytest.__file__).parent.parent
    environment = os.environ | {"TMPDIR": str(anybodys), "PYTHONPATH": f"{ROOT}:{installed}", "HOME": str(anybodys)}
    user = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    command = [*user, python_for(user, environment), "-c", HOLDER, str(anybodys), "leave"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    count, *pids = [int(word) for word in done.stdout.split()]
    assert (count, len(pids)) == (7, 8)
    assert there(pids) == []
    assert sorted(path.name for path in anybodys.iterdir()) == ["logs"]
