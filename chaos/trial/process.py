"""A worker as its campaign holds it: started with a spec, heard line by line, interrupted, never left behind."""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from chaos.errors import (
    ExperimentError,
    FaultError,
    HarnessError,
    InterruptedTrial,
    RecordingError,
    ScenarioError,
    SetupError,
)
from chaos.progress import Message, Tell, Tells
from chaos.trial.spec import TrialSpec

ERRORS = {
    error.__name__: error
    for error in (ScenarioError, SetupError, FaultError, RecordingError, ExperimentError, InterruptedTrial)
}
LOG = "worker.log"
UNDO_S = 150.0
"""How long an interrupted worker may take to undo everything; after that it is killed, and leases undo the fault."""


class Worker:
    """`run` it once; `interrupt` may be called at any time while it runs."""

    def __init__(self, tell: Tells) -> None:
        self._tell = tell
        self._failed: Message | None = None
        self._interrupted = False
        self._process: asyncio.subprocess.Process | None = None

    async def run(self, spec: TrialSpec, limit_s: float) -> None:
        """Play the trial in a process of its own; raises what the worker says that it failed at.

        A session of its own keeps the terminal's Ctrl-C from it: we pass on one signal, once. Its standard input stays
        open as long as we live, so that it also ends where we were killed.
        """
        log = Path(spec.directory) / LOG
        log.parent.mkdir(parents=True)
        with log.open("wb") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "chaos.trial"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        if self._interrupted:
            self.interrupt()
        try:
            await self._heard(self._process, spec, limit_s)
        finally:
            self._end()
        self._raise(self._process.returncode, log)

    def interrupt(self) -> None:
        """Have it undo everything and end; one that is only being started ends before it does anything."""
        self._interrupted = True
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            asyncio.get_running_loop().call_later(UNDO_S, self._end)

    async def _heard(self, process: asyncio.subprocess.Process, spec: TrialSpec, limit_s: float) -> None:
        assert process.stdin is not None
        process.stdin.write(f"{spec.line()}\n".encode())
        asyncio.get_running_loop().call_later(limit_s, self.interrupt)
        await self._hear(process)
        await process.wait()

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            message = Message.parse(line.decode())
            if message.tell is Tell.FAILED:
                self._failed = message
            else:
                self._tell(message)

    def _end(self) -> None:
        """Kill it, and what it started, where it still runs."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _raise(self, code: int | None, log: Path) -> None:
        if self._failed is not None:
            raise ERRORS.get(self._failed.data["error"], HarnessError)(self._failed.data["text"])
        if code == -signal.SIGTERM and self._interrupted:
            raise InterruptedTrial("interrupted before it began")
        if code != 0:
            last = log.read_text(errors="replace").strip().splitlines()[-3:]
            raise HarnessError(
                f"the trial's worker died ({_ending(code)}); {' / '.join(last) or 'it said nothing'}; {log}"
            )


def _ending(code: int | None) -> str:
    """A negative code is a signal's number."""
    return signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
