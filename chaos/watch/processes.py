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
"""How many seconds the agent may take to end."""
COMMAND_LOG, AGENT_LOG = "command.log", "agent.log"


class RunningMeters:
    """The agent's process. It records into a folder of its own, dies with this process, and reads orders from files."""

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
        """Raise HarnessError if the agent has ended, since nothing is measured then."""
        if not self._child.lives:
            raise HarnessError(f"the agent ended ({self._child.how}): {self._child.said}")

    def tell(self, file: str, data: Any) -> None:  # noqa: ANN401  # what a control file holds
        write_json(self.folder / file, data)

    async def end(self) -> None:
        """Let the agent end, and remove what it recorded and nothing needs."""
        if self._child.lives:
            self.tell(QUIT, {})
        await self._child.finish(ENDED_S)
        shutil.rmtree(self.folder)


@dataclass(kw_only=True, slots=True)
class UserCommand:
    """The user's command. `end_ns` is None while it runs, and `begin_ns` is 0 if it was not started."""

    words: tuple[str, ...]
    begin_ns: int = 0
    end_ns: int | None = None
    code: int | None = None
    told: bool = False
    """Whether t = 0 of an entry is this command. Later entries have their own onset."""

    async def run(self, log: Path) -> None:
        """Run the command without a shell. Its output is kept in `log`."""
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
