"""Child processes that speak JSON lines: start one, send it lines, read its lines, ask it, end it, and answer as one.

All pipes between our processes use it: campaign and worker, worker and nest, nest and members, agent and application
clients. A stream into a pod carries the same requests (`chaos.cluster.kube.stream`). This module ships into pods and
uses the standard library only.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from inspect import isawaitable
from itertools import count
from pathlib import Path
from typing import IO, Any

from chaos.clock import mono_ns
from chaos.errors import HarnessError

CHUNK = 1 << 16
LAST_LINES = 3
"""How many of a program's last lines are quoted in the sentence on its end."""

Line = dict[str, Any]
Hears = Callable[[bytes], object]
Handler = Callable[[Line], Line | Awaitable[Line]]
"""Answers a request, directly or when awaited."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Program:
    """A program to run. `out` and `error` are called with each line that it writes, without the line end.

    If `out` is None, standard output is dropped. If `error` is None, standard error is ours; if it is a path, it goes
    to a new file. With `merged`, `out` gets standard error too. `before` is called in the child before exec.
    `environment` is added to our own.
    """

    command: Sequence[str | Path]
    directory: Path | None = None
    out: Hears | None = None
    error: Hears | Path | None = None
    merged: bool = False
    before: Callable[[], None] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


class Child:
    """A process that we started. It belongs to the event loop that runs when it is made.

    It has its own session, so that Ctrl-C at the terminal reaches only us, and we end our processes in order. `ended`
    is called once, after its last line was read. `ended_ns` is when its end was seen. `code` is the exit code, or minus
    the number of a signal.
    """

    def __init__(self, program: Program, ended: Callable[["Child"], object] = lambda _: None) -> None:
        """Start the program. Raises OSError if that fails."""
        self._program = program
        self._ended = ended
        self._last: deque[bytes] = deque(maxlen=LAST_LINES)
        self._untold, self._hung_up = bytearray(), False
        self.over = asyncio.Event()
        self.code: int | None = None
        self.ended_ns = 0
        self._start()

    @property
    def lives(self) -> bool:
        return not self.over.is_set()

    @property
    def how(self) -> str:
        """How it ended: the name of a signal, or the exit code."""
        code = self.code
        return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"

    @property
    def said(self) -> str:
        """Its last lines on standard error, for a sentence."""
        last = self._last
        if isinstance(self._program.error, Path):
            last = deque(self._program.error.read_bytes().strip().splitlines(), maxlen=LAST_LINES)
        return " / ".join(line.decode(errors="replace").strip() for line in last) or "it said nothing"

    def tell(self, line: bytes) -> None:
        """Write a line to its standard input without blocking. A line to a program that has ended is lost."""
        if self.lives and not self._hung_up:
            self._untold += line
            self._write()

    def hang_up(self) -> None:
        """Close its standard input after all lines are written. Most of our programs then end by themselves."""
        self._hung_up = True
        if self.lives:
            self._write()

    def send(self, number: signal.Signals) -> None:
        """Send a signal. Do nothing if the process has ended."""
        if self.lives:
            signal.pidfd_send_signal(self._pidfd, number)

    def kill(self) -> None:
        """Send SIGKILL to the process and to what it has forked."""
        if self.lives:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def finish(self, within_s: float) -> None:
        """Close its input and wait for its end. Kill it after `within_s`."""
        self.hang_up()
        try:
            async with asyncio.timeout(within_s):
                await self.over.wait()
        except TimeoutError:
            self.kill()
            await self.over.wait()

    def _start(self) -> None:
        program, pipe = self._program, subprocess.PIPE
        with ExitStack() as opened:
            error: IO[bytes] | int | None = pipe if program.error else None
            if isinstance(program.error, Path):
                error = opened.enter_context(program.error.open("wb"))
            self._popen = subprocess.Popen(
                program.command,
                cwd=program.directory,
                stdin=pipe,
                stdout=pipe if program.out else subprocess.DEVNULL,
                stderr=subprocess.STDOUT if program.merged else error,
                bufsize=0,
                preexec_fn=program.before,
                env={**os.environ, **program.environment},
                start_new_session=True,
            )
        self.pid = self._popen.pid
        self._pidfd = os.pidfd_open(self.pid)
        assert self._popen.stdin is not None
        self._stdin = self._popen.stdin.fileno()
        os.set_blocking(self._stdin, False)
        self._loop = asyncio.get_running_loop()
        self._ears = [_Ear(file, hears, self._loop) for file, hears in self._heard()]
        self._loop.add_reader(self._pidfd, self._end)

    def _heard(self) -> list[tuple[IO[bytes], Hears]]:
        """Return the pipes to read, each with the function for its lines.

        The last lines of standard error are kept as well.
        """
        found: list[tuple[IO[bytes], Hears]] = []
        program, popen = self._program, self._popen
        if popen.stdout is not None and program.out is not None:
            found.append((popen.stdout, self._keeping(program.out) if program.merged else program.out))
        if popen.stderr is not None and callable(program.error):
            found.append((popen.stderr, self._keeping(program.error)))
        return found

    def _keeping(self, hears: Hears) -> Hears:
        def keep(line: bytes) -> None:
            self._last.append(line)
            hears(line)

        return keep

    def _write(self) -> None:
        """Write as much as fits into the pipe now, and the remainder later."""
        try:
            del self._untold[: os.write(self._stdin, self._untold) if self._untold else 0]
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._untold.clear()
        if self._untold:
            self._loop.add_writer(self._stdin, self._write)
            return
        self._loop.remove_writer(self._stdin)
        if self._hung_up and self._popen.stdin is not None:
            self._popen.stdin.close()

    def _end(self) -> None:
        self.ended_ns = mono_ns()
        self._loop.remove_reader(self._pidfd)
        if not self._hung_up or self._untold:  # otherwise its input is closed already
            self._loop.remove_writer(self._stdin)
        self.code = self._popen.wait(timeout=1)
        for ear in self._ears:
            ear.close()
        for file in (self._popen.stdin, self._popen.stdout, self._popen.stderr):
            if file is not None:
                file.close()
        os.close(self._pidfd)
        self.over.set()
        self._ended(self)


class Lines:
    """The lines of a program, for an `async for` that ends when the program does."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()

    def __call__(self, line: bytes) -> None:
        self._lines.put_nowait(line)

    def end(self, _: Child) -> None:
        self._lines.put_nowait(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (line := await self._lines.get()) is not None:
            yield line


class _Ear:
    """Reads a pipe in the event loop, line by line."""

    def __init__(self, pipe: IO[bytes], hears: Hears, loop: asyncio.AbstractEventLoop) -> None:
        self._pipe = pipe.fileno()
        self._hears = hears
        self._loop = loop
        self._rest = b""
        os.set_blocking(self._pipe, False)
        loop.add_reader(self._pipe, self._read)

    def _read(self) -> bool:
        """Read what is available. Return False if there is nothing."""
        try:
            data = os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._pipe)
            return False
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._hears(line)
        return True

    def close(self) -> None:
        """Read what is left."""
        while self._read():
            pass
        if self._rest:
            self._hears(self._rest)
        self._loop.remove_reader(self._pipe)


class Questions:
    """Our unanswered requests to a program. `tell` sends it a line."""

    def __init__(self, tell: Callable[[bytes], object]) -> None:
        self._tell = tell
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Line]] = {}

    async def ask(self, request: Line, within_s: float) -> Line:
        """Return the answer to one request. Raises TimeoutError if none comes in time, or the error given to `fail`."""
        number = next(self._numbers)
        answer: asyncio.Future[Line] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        self._tell(packed({"id": number, **request}))
        try:
            async with asyncio.timeout(within_s):
                return await answer
        finally:
            del self._asked[number]

    def take(self, line: Line) -> None:
        """Pass an answer to its request. Drop it if nobody waits for it any more."""
        answer = self._asked.get(line.pop("id"))
        if answer is not None and not answer.done():
            answer.set_result(line)

    def fail(self, error: Exception) -> None:
        """Raise `error` in every unanswered request, because no more answers will come."""
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(error)


async def answered(does: Mapping[str, Handler], line: bytes) -> bytes:
    """Return the answer to one request, `{"id", "do", …}`, as a line with the request's id.

    A request that fails, or a line that is no request, is answered with `{"id", "error"}`.
    """
    try:
        request = json.loads(line)
    except ValueError as error:
        return packed({"id": None, "error": f"not JSON: {error}"})
    if not isinstance(request, dict):
        return packed({"id": None, "error": "a request is a JSON object"})
    return packed({**await _done(does, request), "id": request.get("id")})


async def _done(does: Mapping[str, Handler], request: Line) -> Line:
    do = request.get("do", "")
    if do not in does:
        return {"error": f"{do!r} is not one of {', '.join(does)}"}
    try:
        answer = does[do](request)
        done: Line = await answer if isawaitable(answer) else answer
    except KeyError as error:
        return {"error": f"{do} needs {error}"}
    except HarnessError as error:
        return {"error": str(error)}
    except (OSError, ValueError, TypeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return done


def packed(line: Line) -> bytes:
    return json.dumps(line, separators=(",", ":")).encode() + b"\n"


def say(line: bytes) -> None:
    """Write a line to standard output. If nobody reads it any more, do nothing: our input will soon end too."""
    with suppress(BrokenPipeError):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
