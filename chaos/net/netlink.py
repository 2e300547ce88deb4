"""Change network links through netlink: a socket for its messages, and the queueing disciplines that slow a link down.

pyroute2's IPRoute would bring an event loop and a thread, so our own socket sends its messages.
"""

import errno
import os
import socket
from typing import Self

from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NLMSG_ERROR, nlmsg
from pyroute2.netlink.rtnl import RTM_DELQDISC, RTM_NEWQDISC, TC_H_ROOT
from pyroute2.netlink.rtnl.tcmsg import plugins, tcmsg

from chaos.net.messages import failure_in, split

NEW = NLM_F_CREATE | NLM_F_EXCL
ANSWER_S = 2.0
"""A limit for the wait for an answer. It is never reached, because the kernel answers before `send` returns."""
HANDLE = 0xFA170000
"""The handle of our queueing discipline on a link. No other one has it."""
BURST_BYTES, QUEUE_BYTES = 4_096, 65_536
"""How much may pass a slow link at once, and how much may wait. Any more is dropped."""
NOT_OURS = (errno.ENOENT, errno.EINVAL)
"""The errors if no queueing discipline has our handle: there is none, or only the kernel's default one."""


class LinkSocket:
    """A netlink socket in the network namespace of the thread that made it. Afterwards any thread may use it."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._socket.settimeout(ANSWER_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def do(self, *messages: nlmsg) -> None:
        """Have the kernel process messages in their order. Raises OSError for the first one that it refuses."""
        for number, message in enumerate(messages, 1):
            message["header"]["sequence_number"] = number
            message.encode()
        self._socket.send(b"".join(bytes(message.data) for message in messages))
        answered, refused = 0, 0
        while answered < len(messages):
            for kind, _, message in split(self._socket.recv(1 << 16)):
                answered += kind == NLMSG_ERROR
                refused = refused or failure_in(kind, message)
        if refused:
            raise OSError(refused, f"netlink: {os.strerror(refused)}")


def link_message(form: type[nlmsg], kind: int, flags: int = 0) -> nlmsg:
    message = form()
    message["header"]["type"] = kind
    message["header"]["flags"] = NLM_F_REQUEST | NLM_F_ACK | flags
    return message


def shaped(links: LinkSocket, index: int, *, kbit: int = 0, delay_ms: int = 0) -> None:
    """Limit what a link sends to `kbit` per second (tbf), or delay all of it by `delay_ms` (netem). Raises OSError."""
    kind = "netem" if delay_ms else "tbf"
    rate = {"rate": f"{kbit}kbit", "burst": BURST_BYTES, "limit": QUEUE_BYTES}
    how = {"delay": delay_ms * 1000, "limit": 1000} if delay_ms else rate
    message = _queue(RTM_NEWQDISC, index, NEW)
    message["attrs"] = [("TCA_KIND", kind), ("TCA_OPTIONS", plugins[kind].get_parameters(how))]
    links.do(message)


def unshaped(links: LinkSocket, index: int) -> None:
    """Remove our queueing discipline. Do nothing if the link has none."""
    try:
        links.do(_queue(RTM_DELQDISC, index))
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise


def _queue(kind: int, index: int, flags: int = 0) -> nlmsg:
    message = link_message(tcmsg, kind, flags)
    message["family"], message["index"], message["handle"], message["parent"] = 0, index, HANDLE, TC_H_ROOT
    return message
