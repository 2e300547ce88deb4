"""Services by a forwarder (`chaos.cluster.local.forwarder`) for a system without a network of its own. The nest's side.

A process of its own, so that no client waits for the nest, nor is the nest late for what it stamps.
"""

import json
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from chaos.cluster.local.logs import Log
from chaos.cluster.local.network import Space
from chaos.errors import SetupError
from chaos.net.service import Service
from chaos.pipe import Child, Program


class Forwarding:
    """Keeps `chaos.cluster.local.endpoints.Programs`. What the forwarder says of its own is in the file `log`."""

    def __init__(self, addresses: str, space: Space, log: Path, fail: Callable[[BaseException], None]) -> None:
        self.addresses = addresses
        self._space = space
        self._directory = log.parent
        self._log = Log(log, stamped=False)
        self._fail = fail
        self._process: Child | None = None
        self._leaving = False
        self._waiting: deque[Callable[[], object]] = deque()

    def apply(self, wanted: Sequence[Service], done: Callable[[], object]) -> None:
        """In the order of the calls. The first one starts the forwarder."""
        if self._process is None:
            self._process = self._start()
        self._waiting.append(done)
        line = json.dumps([(one.address, one.port, one.endpoints) for one in wanted])
        self._process.tell(f"{line}\n".encode())

    def processes(self) -> list[tuple[str, int]]:
        """Its own, where it has started."""
        return [("forwarder", self._process.pid)] if self._process is not None and self._process.lives else []

    async def end(self) -> None:
        self._leaving = True
        if self._process is not None:
            self._process.send(signal.SIGKILL)
            await self._process.over.wait()

    def _start(self) -> Child:
        program = Program(
            command=[sys.executable, "-m", "chaos.cluster.local.forwarder"],
            directory=self._directory,
            out=self._heard,
            error=self._log.write,
            before=self._space.entering(),
        )
        return Child(program, self._ended)

    def _heard(self, _: bytes) -> None:
        self._waiting.popleft()()

    def _ended(self, process: Child) -> None:
        if not self._leaving:
            self._fail(SetupError(f"the forwarder of the Services ended with {process.how}: {process.said}"))
        self._log.close()
