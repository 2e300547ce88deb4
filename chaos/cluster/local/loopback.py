"""The network of a system where the kernel gives none: addresses of 127.0.0.0/8, all of which are this machine's.

Each system has a range of its own, 127.N.0.0/16, held by sockets that are bound in it: they go with the nest.
"""

import random
import re
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path

from chaos.cluster.local.forwarding import Forwarding
from chaos.cluster.local.network import Space
from chaos.errors import SetupError

SOCKETS = Path("/proc/self/net/tcp")
RANGES = range(1, 255)
HELD = "127.{}.0.1"
"""An address that nobody is given."""
_LISTENS = re.compile(r"^ *\d+: ([0-9A-F]{8}):\w+ \w+:\w+ 0A ", re.MULTILINE)


class Loopback:
    """Keeps what `chaos.cluster.local.kubelet` and the nest need of a network. Raises SetupError where none is free."""

    def __init__(self, ports: Iterable[int]) -> None:
        ports = sorted(set(ports))
        number, self._held = _claimed(ports)
        self.members = f"127.{number}"

    def space(self, address: str) -> Space:
        return Space(None, address, 0)

    def remove(self, space: Space) -> None:
        """An address that is not listened at refuses; there is nothing to take away."""

    def services(self, agent: Space, log: Path, fail: Callable[[BaseException], None]) -> Forwarding:
        return Forwarding(f"{self.members}.9", agent, log, fail)


def _claimed(ports: list[int]) -> tuple[int, ExitStack]:
    """A range in which nobody is, drawn at random so that two who look at once seldom meet."""
    taken = _taken()
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


def _taken() -> set[int]:
    """The N of every 127.N.0.0/16 in which somebody listens now."""
    found = (IPv4Address(bytes.fromhex(word)[::-1]).packed for word in _LISTENS.findall(SOCKETS.read_text()))
    return {packed[1] for packed in found if packed[0] == 127}


def _bound(address: str, ports: list[int]) -> ExitStack:
    """Every port, or none: then raises OSError. It is not listened at."""
    with ExitStack() as held:
        for port in ports:
            one = held.enter_context(socket.socket())
            one.bind((address, port))
        return held.pop_all()
