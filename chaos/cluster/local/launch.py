"""The agent as the nest holds it: started where the Services are, recording straight into the trial's directory."""

import json
import signal
import sys
from pathlib import Path

from chaos.cluster.local.logs import Log
from chaos.cluster.local.network import Space
from chaos.errors import SetupError
from chaos.pipe import Child, Line, Program, packed, say

LOG = "agent.log"
SPEC = "agent.json"


class Launch:
    """What the agent says on standard error is in `agent.log`, if it says anything."""

    def __init__(self, directory: Path, home: Path, space: Space, hosts: dict[str, str]) -> None:
        self._directory = directory
        self._spec = home / SPEC
        self._space = space
        self._hosts = hosts
        self._log = Log(directory / LOG, stamped=False)
        self._process: Child | None = None

    async def start(self, request: Line) -> Line:
        """Its names are the Services'; any other is not found."""
        if self._process is not None:
            raise SetupError("there is an agent already; a trial has one")
        self._spec.write_text(json.dumps(request["spec"] | {"hosts": self._hosts}))
        command = [sys.executable, "-m", "chaos.agent", str(self._spec), str(self._directory)]
        program = Program(
            command=command, directory=self._directory, error=self._log.write, before=self._space.entering()
        )
        self._process = Child(program, self._ended)
        return {}

    async def end(self, _: Line) -> Line:
        """Without its leave; harmless where there is none."""
        if self._process is not None:
            self._process.send(signal.SIGKILL)
            await self._process.over.wait()
        return {}

    def _ended(self, process: Child) -> None:
        say(packed({"agent": f"{process.how}; {process.said}"}))
        self._log.close()
