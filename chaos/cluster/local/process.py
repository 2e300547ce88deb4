"""A process of the local system: started in its network namespace where it has one, heard line by line, never left.

The kernel kills it when the nest ends, however that comes. It is started from the nest's main thread only, since it
dies with the thread that started it.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from chaos.agent import reach
from chaos.clock import mono_ns
from chaos.cluster.local.network import Space
from chaos.linux import CLONE_NEWNET, die_with_parent, setns

CHUNK = 1 << 16
Hears = Callable[[bytes], object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """What to run. `hears_out` and `hears_error` take each whole line that it says; without one, nobody listens.

    `merged`: what it says on standard error is heard as if it were said on standard output.
    """

    command: list[str]
    directory: Path
    hears_out: Hears | None = None
    hears_error: Hears | None = None
    merged: bool = False
    told: bool = False


class Process:
    """`ended` is called once, after its last line was heard; `ended_ns` is when the end itself was seen."""

    def __init__(self, program: Program, space: Space, ended: Callable[["Process"], object]) -> None:
        self._program = program
        self._ended = ended
        self.over = asyncio.Event()
        self.ended_ns = 0
        self._popen = subprocess.Popen(
            program.command,
            cwd=program.directory,
            env=os.environ | {"TZ": "UTC"},
            stdin=subprocess.PIPE if program.told else subprocess.DEVNULL,
            stdout=_sink(program.hears_out),
            stderr=subprocess.STDOUT if program.merged else _sink(program.hears_error),
            bufsize=0,
            preexec_fn=partial(_enter, space.file, os.getpid()),
        )
        self.pid = self._popen.pid
        self.file = os.pidfd_open(self.pid)
        self._ears = [_Ear(pipe.fileno(), hears) for pipe, hears in self._pipes()]
        asyncio.get_running_loop().add_reader(self.file, self._end)

    @property
    def lives(self) -> bool:
        return not self.over.is_set()

    @property
    def how(self) -> str:
        """How it ended: a signal's name, or its exit code."""
        code = self._popen.returncode
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"

    def tell(self, line: bytes) -> None:
        """A line on its standard input. Nothing where it has ended: its end is told by `ended`."""
        assert self._popen.stdin is not None
        with suppress(BrokenPipeError):
            self._popen.stdin.write(line + b"\n")

    def send(self, number: signal.Signals) -> None:
        """Nothing where it has ended."""
        if self.lives:
            signal.pidfd_send_signal(self.file, number)

    def end(self) -> None:
        """SIGKILL to it and to what it has forked, as a server does that saves."""
        if self.lives:
            for pid in reach.with_children(self.pid)[1:]:
                reach.signal_one(pid, signal.SIGKILL)
            self.send(signal.SIGKILL)

    def _pipes(self) -> list[tuple[IO[bytes], Hears]]:
        pairs = ((self._popen.stdout, self._program.hears_out), (self._popen.stderr, self._program.hears_error))
        return [(pipe, hears) for pipe, hears in pairs if pipe is not None and hears is not None]

    def _end(self) -> None:
        self.ended_ns = mono_ns()
        asyncio.get_running_loop().remove_reader(self.file)
        self._popen.wait(timeout=1)
        for ear in self._ears:
            ear.close()
        for pipe in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()
        os.close(self.file)
        self.over.set()
        self._ended(self)


class _Ear:
    """Reads a pipe in the loop."""

    def __init__(self, pipe: int, hears: Hears) -> None:
        self._pipe = pipe
        self._hears = hears
        self._rest = b""
        os.set_blocking(pipe, False)
        asyncio.get_running_loop().add_reader(pipe, self._read)

    def _read(self) -> bool:
        """Whether there was anything."""
        try:
            data = os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            asyncio.get_running_loop().remove_reader(self._pipe)
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._hears(line)
        return True

    def close(self) -> None:
        """Hear what is left."""
        while self._read():
            pass
        if self._rest:
            self._hears(self._rest)
        asyncio.get_running_loop().remove_reader(self._pipe)


def _sink(hears: Hears | None) -> int:
    return subprocess.DEVNULL if hears is None else subprocess.PIPE


def _enter(namespace: int | None, parent: int) -> None:
    """In the child, before it becomes the program."""
    die_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    if namespace is not None:
        setns(namespace, CLONE_NEWNET)
