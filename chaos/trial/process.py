"""A worker as its campaign holds it: started with a spec, heard line by line, interrupted, never left behind."""

import asyncio
import signal
import sys
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
from chaos.pipe import Child, Lines, Program
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
        self._process: Child | None = None

    async def run(self, spec: TrialSpec, limit_s: float) -> None:
        """Play the trial in a process of its own; raises what the worker says that it failed at.

        We pass on one signal, once. Its standard input stays open as long as we live, so that it also ends where we
        were killed.
        """
        log = Path(spec.directory) / LOG
        log.parent.mkdir(parents=True)
        said = Lines()
        process = Child(Program(command=[sys.executable, "-m", "chaos.trial"], out=said, error=log), said.end)
        self._process = process
        process.tell(f"{spec.line()}\n".encode())
        if self._interrupted:
            self.interrupt()
        asyncio.get_running_loop().call_later(limit_s, self.interrupt)
        try:
            async for line in said:
                self._take(Message.parse(line.decode()))
        finally:
            process.kill()
        self._raise(process, log)

    def interrupt(self) -> None:
        """Have it undo everything and end; one that is only being started ends before it does anything."""
        self._interrupted = True
        if self._process is not None and self._process.lives:
            self._process.send(signal.SIGTERM)
            asyncio.get_running_loop().call_later(UNDO_S, self._process.kill)

    def _take(self, message: Message) -> None:
        if message.tell is Tell.FAILED:
            self._failed = message
        else:
            self._tell(message)

    def _raise(self, process: Child, log: Path) -> None:
        if self._failed is not None:
            raise ERRORS.get(self._failed.data["error"], HarnessError)(self._failed.data["text"])
        if process.code == -signal.SIGTERM and self._interrupted:
            raise InterruptedTrial("interrupted before it began")
        if process.code != 0:
            raise HarnessError(f"the trial's worker died ({process.how}); {process.said}; {log}")
