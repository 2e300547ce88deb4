"""Puts our nftables tables into a network namespace by netlink, counts what they drop, and removes them.

A netlink socket always belongs to the namespace that it was opened in, and keeps that namespace alive. So a table is
opened once inside the namespace, by a thread that ends at once, and used from anywhere after that: no thread of ours
stays in another namespace.
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
"""The number of the message that begins a batch. An answer to it says that the whole batch was refused."""
ANSWER_S = 2.0
"""The longest wait for an answer. The kernel answers before `send` returns, so it is never needed."""


@dataclass(frozen=True, slots=True)
class Commit:
    """When one transaction took effect: monotonic stamps before and after the system call that committed it."""

    before_ns: int
    after_ns: int


class _Opened:
    """An open socket. Raises OSError of the kernel: EPERM without CAP_NET_ADMIN, EOPNOTSUPP without nf_tables."""

    def __init__(self) -> None:
        """Open the tables of the calling thread's network namespace."""
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
        """(type, number, bytes) of each answer, without end: the caller knows which one is the last."""
        while True:
            yield from split(self._socket.recv(1 << 20))


class Table(_Opened):
    """The table of a cut."""

    def apply(self, wanted: Cut) -> Commit:
        """Replace our table by that of `wanted` in one transaction, so that there is no moment without a table."""
        return self._commit(cut.applying(wanted))

    def clear(self) -> Commit:
        """Remove our table. If there is none, nothing happens."""
        return self._commit(cut.TABLE.clearing())

    def dropped(self) -> int | None:
        """Return how many packets the present cut has dropped so far; None if there is no cut."""
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
        """Replace all Services by `wanted` in one transaction. Established connections stay where they are."""
        return self._commit(service.applying(wanted))


def _refuse(kind: int, message: bytes) -> None:
    """Raise the error that the kernel answered with, if it is one."""
    failure = failure_in(kind, message)
    if failure:
        raise OSError(failure, f"nftables: {os.strerror(failure)}")
