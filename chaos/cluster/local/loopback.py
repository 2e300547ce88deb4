"""The network of a system on a machine that allows no network namespaces: addresses of 127.0.0.0/8.

Each system has its own range 127.N.0.0/16, which sockets bound in it reserve until the nest ends. At the addresses of
the Services a forwarder (`chaos.cluster.local.forwarder`) takes the place of packet rules. The forwarder is a separate
process, so that clients do not wait for the nest and the nest's time stamps are not late.
"""

import json
import random
import re
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path

from chaos.cluster.local.pod import Log, Space
from chaos.errors import SetupError
from chaos.net.service import Service
from chaos.pipe import Child, Program

SOCKETS = Path("/proc/self/net/tcp")
RANGES = range(1, 255)
HELD = "127.{}.0.1"
"""The address whose bound sockets reserve the range. No member gets it."""
_LISTENS = re.compile(r"^ *\d+: ([0-9A-F]{8}):\w+ \w+:\w+ 0A ", re.MULTILINE)


class Loopback:
    """A range of loopback addresses, as `chaos.cluster.local.kubelet.Net`. Raises SetupError if none is free."""

    def __init__(self, ports: Iterable[int]) -> None:
        ports = sorted(set(ports))
        number, self._held = _claimed(ports)
        self.members = f"127.{number}"

    def space(self, address: str) -> Space:
        return Space(None, address, 0)

    def remove(self, space: Space) -> None:
        """Do nothing. Connections to an address without a listener are refused anyway."""

    def services(self, agent: Space, log: Path, fail: Callable[[BaseException], None]) -> "Forwarding":
        return Forwarding(f"{self.members}.9", agent, log, fail)


class Forwarding:
    """Runs the forwarder. It implements `chaos.cluster.local.endpoints.Programs`. `log` is the forwarder's log file."""

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
        """Send the Services to the forwarder, which the first call starts. It calls `done` once it has them."""
        if self._process is None:
            program = Program(
                command=[sys.executable, "-m", "chaos.cluster.local.forwarder"],
                directory=self._directory,
                out=lambda _line: self._waiting.popleft()(),
                error=self._log.write,
                before=self._space.entering(),
            )
            self._process = Child(program, self._ended)
        self._waiting.append(done)
        line = json.dumps([(one.address, one.port, one.endpoints) for one in wanted])
        self._process.tell(f"{line}\n".encode())

    def processes(self) -> list[tuple[str, int]]:
        """Return the forwarder and its pid, or nothing before it has started."""
        return [("forwarder", self._process.pid)] if self._process is not None and self._process.lives else []

    async def end(self) -> None:
        self._leaving = True
        if self._process is not None:
            self._process.send(signal.SIGKILL)
            await self._process.over.wait()

    def _ended(self, process: Child) -> None:
        if not self._leaving:
            self._fail(SetupError(f"the forwarder of the Services ended with {process.how}: {process.said}"))
        self._log.close()


def _claimed(ports: list[int]) -> tuple[int, ExitStack]:
    """Reserve a free range, and return its number and the sockets that reserve it. The range is chosen at random, so
    that two systems that start at the same time rarely choose the same.
    """
    listening = (IPv4Address(bytes.fromhex(word)[::-1]).packed for word in _LISTENS.findall(SOCKETS.read_text()))
    taken = {packed[1] for packed in listening if packed[0] == 127}
    refused = "each is in use"
    for number in random.sample(RANGES, len(RANGES)):
        if number in taken:
            continue
        try:
            return number, _bound(HELD.format(number), ports)
        except OSError as error:
            refused = error.strerror or str(error)
    named = ", ".join(map(str, ports))
    raise SetupError(
        f"no range of loopback addresses is free for the ports {named} ({refused}): end what listens there at every "
        "address (ss -ltn), or take others: --set system.local.port=7379 --set system.local.sentinel.port=27379"
    )


def _bound(address: str, ports: list[int]) -> ExitStack:
    """Bind every port without listening. If one cannot be bound, close all and raise OSError."""
    with ExitStack() as held:
        for port in ports:
            one = held.enter_context(socket.socket())
            one.bind((address, port))
        return held.pop_all()
