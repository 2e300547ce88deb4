"""The processes of a watch: the agent with its clients and observers, the user's command, and an entry's analysis.

`python -m chaos.watch.processes DIRECTORY` analyses one entry, and says in a few words what it was.
"""

import asyncio
import json
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
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
JUDGED_S = 300.0
"""How many seconds the analysis of an entry may take. It takes some seconds, and a minute on a crowded machine."""
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
            process = await asyncio.create_subprocess_exec(*self.words, stdin=DEVNULL, stdout=out, stderr=STDOUT)
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


def judged(directory: Path) -> dict[str, Any]:
    """Return what an entry was.

    `anything` is true if there was an outage or a failover. `failovers` counts those that were not aborted.
    """
    from chaos.analysis import wording
    from chaos.analysis.result import State
    from chaos.analysis.trial import analyse_trial

    trial = analyse_trial(directory)
    out = {path.name: path for path in trial.paths.values() if path.windows}
    seen = any(it.state is State.SEEN for name, it in trial.milestones.items() if name in ("sdown", "try_failover"))
    lines = [f"{name} was out for {wording.span(path.outage_s)}" for name, path in out.items() if path.outage_s]
    lines += [trial.cause] if trial.cause else []
    return {
        "anything": bool(out) or bool(trial.failovers) or seen,
        "failovers": sum(not one.aborted for one in trial.failovers),
        "because": "; ".join(doubt.text for doubt in trial.doubts),
        "lines": [wording.breakable(line) for line in lines],
    }


async def judged_apart(directory: Path, within_s: float = JUDGED_S) -> dict[str, Any]:
    """Return what an entry was, from a process that ends then, so that what it loads does not stay for days.

    The process has a session of its own, since Ctrl-C at a terminal goes to every process of a session. It ends the
    watch in order, and so the analysis has to go on.

    Raises TimeoutError if that takes longer than `within_s`, as on a machine that has no core for it, and HarnessError
    if the analysis fails.
    """
    command = (sys.executable, "-m", "chaos.watch.processes", str(directory))
    process = await asyncio.create_subprocess_exec(
        *command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    try:
        async with asyncio.timeout(within_s):
            told, complained = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise HarnessError(f"{directory.name} cannot be analysed: {complained.decode(errors='replace').strip()[-500:]}")
    found: dict[str, Any] = json.loads(told)
    return found


if __name__ == "__main__":
    print(json.dumps(judged(Path(sys.argv[1]))))  # noqa: T201
