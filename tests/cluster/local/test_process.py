"""A process that the nest has started: heard to its last line, told, and seen to end."""

import asyncio
import os
import signal
import sys

import pytest

from chaos.cluster.local.network import Space
from chaos.cluster.local.process import Process, Program
from chaos.until import until
from tests.cluster.local.systems import there

pytestmark = pytest.mark.netns


@pytest.fixture
def space():
    """The namespace that the tests run in."""
    file = os.open("/proc/self/ns/net", os.O_RDONLY)
    yield Space(file, "127.0.0.1", 0)
    os.close(file)


@pytest.fixture
def play(space, tmp_path):
    def started(text: str, **more):
        heard: list[bytes] = []
        program = Program(command=[sys.executable, "-c", text], directory=tmp_path, hears_out=heard.append, **more)
        ended: list[Process] = []
        return Process(program, space, ended.append), heard, ended

    return started


async def over(process: Process) -> None:
    async with asyncio.timeout(20):
        await process.over.wait()


async def test_it_is_heard_line_by_line_to_its_last_word(play, tmp_path):
    process, heard, ended = play("import os, sys; print(os.getcwd(), os.environ['TZ']); sys.stdout.write('last')")
    await over(process)
    assert heard == [f"{tmp_path} UTC".encode(), b"last"]
    assert ended == [process]
    assert not process.lives
    assert process.how == "exit code 0"


async def test_what_it_says_on_standard_error_is_kept_apart_unless_merged(play):
    said: list[bytes] = []
    text = "import sys; print('out', flush=True); print('error', file=sys.stderr)"
    apart, heard, _ = play(text, hears_error=said.append)
    await over(apart)
    assert (heard, said) == ([b"out"], [b"error"])
    merged, heard, _ = play(text, merged=True)
    await over(merged)
    assert heard == [b"out", b"error"]


async def test_it_is_told_by_lines_and_what_nobody_reads_any_more_is_lost(play):
    process, heard, _ = play("print(input())", told=True)
    process.tell(b"hello")
    await over(process)
    assert heard == [b"hello"]
    process.send(signal.SIGKILL)


async def test_its_end_by_a_signal_is_named(play):
    process, _, _ = play("import signal; signal.pause()")
    process.end()
    await over(process)
    assert process.how == "SIGKILL"


async def test_what_it_has_forked_is_ended_with_it(play):
    text = "import os, signal; os.fork(); os.write(1, b'%d\\n' % os.getpid()); signal.pause()"
    process, heard, _ = play(text)

    async def both() -> bool:
        return len(heard) == 2

    await until(both, within_s=20, because="both have said who they are", every_s=0.01)
    process.end()
    await over(process)
    [child] = {int(line) for line in heard} - {process.pid}

    async def gone() -> bool:
        return not there([child])

    await until(gone, within_s=20, because="the child is gone", every_s=0.01)
