"""Source ports of meters: each in its turn, so that none comes again soon.

A node's connection tracking keeps a connection that was under way to a pod when that vanished for 120 s, and sends
whoever comes with the same port to the same Service into nothing. The kernel chooses ports at random distances: of a
client that opens 200 connections a second it goes round in 15 s, and each time some meet what is remembered.
"""

import errno
import socket
import struct
from pathlib import Path
from random import randrange

Address = tuple[str, int]

RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER that closes with RST. Hundreds of closed connections a second would else each keep a port for 60 s in
TIME_WAIT, and an entry in the node's connection tracking for 120 s."""
TAKEN = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
"""What a port says that somebody listens on, or that a kept connection to the same address has."""
TRIES = 50


class Ports:
    """Those that this host lends, and for each address the next one."""

    def __init__(self, first: int, last: int) -> None:
        self.numbers = range(first, last + 1)
        self._turn: dict[Address, int] = {}

    @classmethod
    def of_this_host(cls) -> "Ports":
        first, last = map(int, RANGE.read_text().split())
        return cls(first, last)

    def connecting(self, address: Address) -> tuple[socket.socket, int]:
        """A socket that connects, and what connect_ex said. Where every port that is tried is taken, that."""
        for _ in range(TRIES):
            one = _socket(address)
            error = _bound(one, self._next(address)) or one.connect_ex(address)
            if error not in TAKEN:
                break
            one.close()
        return one, error

    def _next(self, address: Address) -> int:
        """Never the address's own: with its server gone, a socket of this host would connect to itself."""
        turn = self._turn.get(address)
        if turn is None:
            turn = randrange(len(self.numbers))
        self._turn[address] = turn + 1
        port = self.numbers[turn % len(self.numbers)]
        return port if port != address[1] else self._next(address)


def _socket(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return one


def _bound(one: socket.socket, port: int) -> int:
    try:
        one.bind(("", port))
    except OSError as error:
        return error.errno or errno.EADDRINUSE
    return 0
