"""Our nftables tables in one network namespace, by netlink: put there, counted, removed. Who may do it, and for how
long, is not decided here.

A netlink socket belongs for good to the namespace that it was opened in, and keeps that namespace alive. So a table
is opened once inside the namespace, in a thread that ends at once, and used from anywhere: no thread of ours stays in
a foreign namespace.
"""

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

from pyroute2.netlink import NETLINK_NETFILTER, NLMSG_DONE, NLMSG_ERROR, nlmsg

from chaos.clock import mono_ns
from chaos.linux import CLONE_NEWNET, apart, setns
from chaos.net import cut, service
from chaos.net.cut import Cut
from chaos.net.messages import batch
from chaos.net.service import Service

HEADER = struct.Struct("=IHHII")
ERROR = struct.Struct("=i")
BATCH_REFUSED = 0
"""The number of the message that begins a batch: an answer to it says that the whole batch was refused."""
ANSWER_S = 2.0
"""The kernel answers before `send` returns; this only keeps a wait from being endless."""


@dataclass(frozen=True, slots=True)
class Commit:
    """When one transaction took effect: monotonic stamps around the system call that committed it."""

    before_ns: int
    after_ns: int


class _Opened:
    """Raises OSError with the kernel's own number: EPERM without CAP_NET_ADMIN, EOPNOTSUPP without nf_tables."""

    def __init__(self) -> None:
        """Opens the tables of the calling thread's network namespace."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.settimeout(ANSWER_S)

    @classmethod
    def within(cls, namespace: int) -> Self:
        """Open the tables of the network namespace behind the descriptor `namespace` (an open /proc/<pid>/ns/net)."""
        return apart(partial(cls._entered, namespace))

    @classmethod
    def _entered(cls, namespace: int) -> Self:
        setns(namespace, CLONE_NEWNET)
        return cls()

    def close(self) -> None:
        self._socket.close()

    def _commit(self, messages: list[nlmsg]) -> Commit:
        data = batch(messages)
        before_ns = mono_ns()
        self._socket.send(data)
        after_ns = mono_ns()
        answers = []
        for kind, number, message in self._answers():
            answers.append((kind, message))
            if number in (BATCH_REFUSED, len(messages)):
                break
        for kind, message in answers:
            _refuse(kind, message)
        return Commit(before_ns, after_ns)

    def _answers(self) -> Iterator[tuple[int, int, bytes]]:
        """(type, number, bytes) of each answer, without an end of its own: the caller knows which is the last."""
        while True:
            yield from _split(self._socket.recv(1 << 20))


class Table(_Opened):
    """The table of a cut."""

    def apply(self, wanted: Cut) -> Commit:
        """Replace our table by `wanted`, in one transaction: no packet sees a moment between the two."""
        return self._commit(cut.applying(wanted))

    def clear(self) -> Commit:
        """Remove our table; good as well where there is none."""
        return self._commit(cut.TABLE.clearing())

    def dropped(self) -> int | None:
        """Packets that the present cut has dropped so far; None: there is no cut."""
        self._socket.send(cut.TABLE.listing())
        counts = []
        for kind, _, message in self._answers():
            if kind == NLMSG_DONE:
                break
            _refuse(kind, message)
            counts.append(cut.dropped_by(message))
        return sum(counts) if counts else None


class Services(_Opened):
    """The table of the Services whose addresses the namespace's own connections go to."""

    def apply(self, wanted: Sequence[Service]) -> Commit:
        """Replace all Services by `wanted`, in one transaction. A connection that is established stays where it is."""
        return self._commit(service.applying(wanted))


def _split(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    offset = 0
    while offset < len(data):
        length, kind, _, number, _ = HEADER.unpack_from(data, offset)
        yield kind, number, data[offset : offset + length]
        offset += (length + 3) & ~3


def _refuse(kind: int, message: bytes) -> None:
    """Raise the error that the kernel answered with; its number 0 is an acknowledgement."""
    failure = -ERROR.unpack_from(message, HEADER.size)[0] if kind == NLMSG_ERROR else 0
    if failure:
        raise OSError(failure, f"nftables: {os.strerror(failure)}")
