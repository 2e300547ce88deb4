"""Put our nftables tables into a network namespace through netlink, count what they drop, and remove them.

A netlink socket belongs to the namespace in which it was opened, and keeps that namespace alive. A short-lived thread
opens it inside the namespace, and then any thread can use it. So no thread of ours stays in another namespace.
"""

import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

from pyroute2.netlink import NETLINK_NETFILTER, NLMSG_DONE, nlmsg

from chaos.clock import mono_ns
from chaos.linux import CLONE_NEWNET, apart, setns
from chaos.net import cut, service
from chaos.net.cut import Cut
from chaos.net.messages import batch, failure_in, split
from chaos.net.service import Service

BATCH_REFUSED = 0
"""The number of the message that begins a batch. An answer with this number means that the whole batch was refused."""
ANSWER_S = 2.0
"""A limit for the wait for an answer. It is never reached, because the kernel answers before `send` returns."""


@dataclass(frozen=True, slots=True)
class Commit:
    """When a transaction took effect: the monotonic times before and after the system call that committed it."""

    before_ns: int
    after_ns: int


class _Opened:
    """A socket to the tables of a namespace.

    Raises OSError: EPERM without CAP_NET_ADMIN, EOPNOTSUPP without nf_tables.
    """

    def __init__(self) -> None:
        """Open the tables of the calling thread's network namespace."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self._socket.bind((0, 0))
        self._socket.settimeout(ANSWER_S)

    @classmethod
    def within(cls, namespace: int) -> Self:
        """Open the tables of the network namespace behind a descriptor of an open /proc/<pid>/ns/net."""
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
        """Yield type, number and bytes of each answer, without end. The caller knows which answer is the last."""
        while True:
            yield from split(self._socket.recv(1 << 20))


class Table(_Opened):
    """The table of a cut."""

    def apply(self, wanted: Cut) -> Commit:
        """Replace our table in one transaction, so that there is no moment without a table."""
        return self._commit(cut.applying(wanted))

    def clear(self) -> Commit:
        """Remove our table. Do nothing if there is none."""
        return self._commit(cut.TABLE.clearing())

    def dropped(self) -> int | None:
        """Return how many packets the present cut has dropped, or None if there is no cut."""
        self._socket.send(cut.TABLE.listing())
        counts = []
        for kind, _, message in self._answers():
            if kind == NLMSG_DONE:
                break
            _refuse(kind, message)
            counts.append(cut.dropped_by(message))
        return sum(counts) if counts else None


class Services(_Opened):
    """The table of the Services that connections from the namespace can use."""

    def apply(self, wanted: Sequence[Service]) -> Commit:
        """Replace all Services in one transaction. Established connections stay where they are."""
        return self._commit(service.applying(wanted))


def _refuse(kind: int, message: bytes) -> None:
    """Raise OSError if the kernel's answer is an error."""
    failure = failure_in(kind, message)
    if failure:
        raise OSError(failure, f"nftables: {os.strerror(failure)}")
