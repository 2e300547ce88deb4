"""The two processes of a watch: the agent, with its clients and observers, and the user's command."""

import asyncio
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.agent.orders import QUIT, AgentSpec
from chaos.clock import mono_ns
from chaos.errors import HarnessError
from chaos.linux import die_with_parent
from chaos.pipe import Child, Program
from chaos.trial.record import write_json

ENDED_S = 30.0
"""How long the agent may take to end."""
COMMAND_LOG, AGENT_LOG = "command.log", "agent.log"


class RunningMeters:
    """The agent. It records into a folder of its own, dies with us, and is told what to do by files."""

    def __init__(self, directory: Path, spec: AgentSpec) -> None:
        self.folder = directory / "agent"
        (self.folder / "control").mkdir(parents=True)
        path = self.folder / "spec.json"
        path.write_text(spec.dumps())
        command = [sys.executable, "-m", "chaos.agent", str(path), str(self.folder)]
        self._child = Child(Program(command=command, error=directory / AGENT_LOG, before=die_with_parent))

    @property
    def lives(self) -> bool:
        return self._child.lives

    def check(self) -> None:
        """Raise HarnessError if it has ended, since nothing is measured then."""
        if not self._child.lives:
            raise HarnessError(f"the agent ended ({self._child.how}): {self._child.said}")

    def tell(self, file: str, data: Any) -> None:  # noqa: ANN401  # what a control file holds
        write_json(self.folder / file, data)

    async def end(self) -> None:
        """Have it end, and remove what it recorded and nobody needs."""
        if self._child.lives:
            self.tell(QUIT, {})
        await self._child.finish(ENDED_S)
        shutil.rmtree(self.folder)


@dataclass(kw_only=True, slots=True)
class UserCommand:
    """The user's command. `end_ns` is None while it runs; a command that was not started begins at 0."""

    words: tuple[str, ...]
    begin_ns: int = 0
    end_ns: int | None = None
    code: int | None = None
    told: bool = False
    """Whether an entry counts from it. What comes later counts from its own onset."""

    async def run(self, log: Path) -> None:
        """Run it without a shell. What it prints is kept in `log`."""
        with log.open("wb") as out:
            self.begin_ns = mono_ns()
            process = await asyncio.create_subprocess_exec(
                *self.words, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=asyncio.subprocess.STDOUT
            )
            self.code = await process.wait()
            self.end_ns = mono_ns()

    @property
    def how(self) -> str:
        code = self.code
        if code is None:
            return "it still runs"
        return f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def as_json(self) -> dict[str, Any]:
        lasted_s = None if self.end_ns is None else (self.end_ns - self.begin_ns) / 1e9
        return {"words": list(self.words), "exit_code": self.code, "seconds": lasted_s, "output": COMMAND_LOG}
