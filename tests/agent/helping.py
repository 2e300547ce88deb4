"""A node helper and a host that talks to it, as processes, for tests."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PYTHON = [sys.executable, "-m"]


class Talk:
    """What the host runs through exec."""

    def __init__(self, directory: Path) -> None:
        command = [*PYTHON, "chaos.agent.talk", str(directory)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"id": do, "do": do, **fields}).encode() + b"\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        assert answer["id"] == do
        return answer

    def end(self) -> str:
        self.process.kill()
        return self.process.communicate(timeout=60)[1].decode()


class Serve:
    """The helper's own process; `start` again is what the kubelet does after a crash."""

    def __init__(self, directory: Path, *within: str) -> None:
        """`within` is what runs it somewhere else, as nsenter does."""
        self.directory = directory
        self.within = within
        self.talks: list[Talk] = []
        self.start()

    def start(self) -> None:
        command = [*self.within, *PYTHON, "chaos.agent.node", str(self.directory)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE)
        wait(self._listens)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            return connection.connect_ex(str(self.directory / "helper.sock")) == 0

    def talk(self) -> Talk:
        self.talks.append(Talk(self.directory))
        return self.talks[-1]

    def end(self) -> None:
        for talk in self.talks:
            talk.end()
        self.process.terminate()
        said = self.process.communicate(timeout=60)[1]
        assert said == b"", said.decode()


def wait(condition: Callable[[], bool], within_s: float = 10.0) -> float:
    """Seconds until the condition held."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() < begin + within_s, "not in time"
        time.sleep(0.01)
    return time.monotonic() - begin
