"""A controller process with this test as its API server: it is shown the rig's members, and labels as it says."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

from tests.rig import LOOPBACK, MASTER_NAME, REDIS, SENTINELS, Rig, wait_for

SETTINGS = {
    "redis": {"maxmemory": 104857600},
    "sentinel": {"down-after-milliseconds": 2000, "failover-timeout": 3000},
}


@dataclass
class Watched:
    """`names` says under which name a member is shown, where that is not its own."""

    rig: Rig
    process: subprocess.Popen[str]
    logged: Path
    names: dict[str, str]
    roles: dict[str, str] = field(default_factory=dict)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    said: list[tuple[float, str, str]] = field(default_factory=list)

    def show(self) -> None:
        """The pods as they are now."""
        self._line({"pods": [self._pod(name) for name in (*REDIS, *SENTINELS) if name in self.rig.processes]})

    def change(self, name: str, **state: Any) -> None:
        """A pod's phase, or that it is terminating, from now on."""
        self.states[name] = state
        self.show()

    def _pod(self, name: str) -> dict[str, Any]:
        component = "redis" if name in REDIS else "sentinel"
        pod = {"name": self.names.get(name, name), "component": component, "ip": LOOPBACK}
        role = self.roles.get(name, "slave") if component == "redis" else None
        rest = {"port": self.rig.processes[name].port, "phase": "Running", "deleting": False, "role": role}
        return pod | rest | self.states.get(name, {})

    def listen(self) -> None:
        assert self.process.stdout is not None
        members = {shown: name for name, shown in self.names.items()}
        for line in self.process.stdout:
            label = json.loads(line)["label"]
            name = members.get(label["pod"], label["pod"])
            self.roles[name] = label["role"]
            self.said.append((time.monotonic(), name, label["role"]))
            with suppress(BrokenPipeError, ValueError):  # it has been told to end
                self.show()

    def labelled(self) -> list[str]:
        """Who has the master label."""
        return [name for name, role in self.roles.items() if role == "master"]

    def log(self) -> list[str]:
        return self.logged.read_text().splitlines()

    def logs(self, words: str, times: int = 1, within_s: float = 20.0) -> list[float]:
        """Wait until a line with these words was logged so often; the seconds of their stamps."""
        wait_for(lambda: self._count(words) >= times, f"the log says {words!r} {times} times", within_s)
        lines = [line for line in self.log() if words in line]
        return [float(re.split("[:Z]", line)[1]) * 60 + float(re.split("[:Z]", line)[2]) for line in lines]

    def _count(self, words: str) -> int:
        return sum(words in line for line in self.log())

    def _line(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()


@contextmanager
def watched(rig: Rig, mode: str, every_s: float = 1.0, names: dict[str, str] | None = None) -> Iterator[Watched]:
    """It ends by the end of its input, and has to end well."""
    task = {"mode": mode, "every_s": every_s, "master": MASTER_NAME, "replicas": 2, "sentinels": 3, "quorum": 2}
    logged = rig.directory / "controller.log"
    command = [sys.executable, "-m", "chaos.operators"]
    with logged.open("w") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    controller = Watched(rig, process, logged, names or {})
    controller._line(task | {"settings": SETTINGS})
    listening = Thread(target=controller.listen)
    listening.start()
    try:
        controller.show()
        yield controller
        process.stdin.close()
        assert process.wait(60) == 0, logged.read_text()
    finally:
        process.kill()
        process.wait()
        listening.join(60)
        with suppress(BrokenPipeError):  # of a line that it no longer took
            process.stdin.close()
        process.stdout.close()
