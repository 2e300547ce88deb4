"""Links, addresses and routes of one network namespace, by netlink.

Not pyroute2's IPRoute, which brings an event loop and a thread: its messages over a socket of our own, as in
`chaos.net.nft`. Indexes of links are ours to choose, so that nothing has to be asked.
"""

import os
import socket
import struct
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, Self

from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NLMSG_ERROR, nlmsg
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

UP = 1
"""IFF_UP."""
LOOPBACK, FIRST = 1, 2
"""The index of every namespace's loopback, and that of the first link made in it."""
MAIN_TABLE, BOOT, UNIVERSE, UNICAST = 254, 3, 0, 1
"""Of a route: its table, its protocol, its scope, its type."""
HEADER = struct.Struct("=IHHII")
ERROR = struct.Struct("=i")
NEW = NLM_F_CREATE | NLM_F_EXCL
ANSWER_S = 2.0
"""The kernel answers before `send` returns; this only keeps a wait from being endless."""

Attributes = list[tuple[str, Any]]


class Links:
    """A socket of the network namespace of the thread that made it; usable from any thread after that."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._socket.settimeout(ANSWER_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def do(self, *messages: nlmsg) -> None:
        """Have the kernel act on them in their order. Raises OSError with its number for the first that it refuses."""
        for number, message in enumerate(messages, 1):
            message["header"]["sequence_number"] = number
            message.encode()
        self._socket.send(b"".join(bytes(message.data) for message in messages))
        answered, refused = 0, 0
        while answered < len(messages):
            for failure in _failures(self._socket.recv(1 << 16)):
                answered += 1
                refused = refused or failure
        if refused:
            raise OSError(refused, f"netlink: {os.strerror(refused)}")


def bridge(index: int, hardware: str) -> nlmsg:
    """A bridge that is up, with an address of its own: else it takes a port's, and another when that port goes.

    Without spanning tree its ports forward at once.
    """
    kind = {"attrs": [("IFLA_INFO_KIND", "bridge")]}
    return _link(index, [("IFLA_IFNAME", "bridge"), ("IFLA_ADDRESS", hardware), ("IFLA_LINKINFO", kind)])


def pair(index: int, master: int, namespace: int, hardware: str) -> nlmsg:
    """Two ends: a port of the bridge `master`, and the first link of `namespace`, an open file, which is not yet up."""
    inside: Attributes = [("IFLA_IFNAME", "eth0"), ("IFLA_NET_NS_FD", namespace), ("IFLA_ADDRESS", hardware)]
    peer = {"index": FIRST, "attrs": inside}
    data = {"attrs": [("VETH_INFO_PEER", peer)]}
    kind = {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", data)]}
    return _link(index, [("IFLA_IFNAME", f"port{index}"), ("IFLA_MASTER", master), ("IFLA_LINKINFO", kind)])


def up(index: int) -> nlmsg:
    message = _message(ifinfmsg, RTM_NEWLINK)
    message["index"] = index
    message["flags"] = message["change"] = UP
    return message


def gone(index: int) -> nlmsg:
    """A link removed; of a pair the other end goes too."""
    message = _message(ifinfmsg, RTM_DELLINK)
    message["index"] = index
    return message


def address(index: int, interface: IPv4Interface) -> nlmsg:
    message = _message(ifaddrmsg, RTM_NEWADDR, NEW)
    message["family"] = socket.AF_INET
    message["prefixlen"] = interface.network.prefixlen
    message["index"] = index
    message["attrs"] = [("IFA_LOCAL", str(interface.ip)), ("IFA_ADDRESS", str(interface.ip))]
    return message


def default_route(gateway: IPv4Address) -> nlmsg:
    message = _message(rtmsg, RTM_NEWROUTE, NEW)
    fields = {"family": socket.AF_INET, "table": MAIN_TABLE, "proto": BOOT, "scope": UNIVERSE, "type": UNICAST}
    for key, value in fields.items():
        message[key] = value
    message["attrs"] = [("RTA_GATEWAY", str(gateway))]
    return message


def _link(index: int, attributes: Attributes) -> nlmsg:
    message = _message(ifinfmsg, RTM_NEWLINK, NEW)
    message["index"] = index
    message["flags"] = message["change"] = UP
    message["attrs"] = attributes
    return message


def _message(form: type[nlmsg], kind: int, flags: int = 0) -> nlmsg:
    message = form()
    message["header"]["type"] = kind
    message["header"]["flags"] = NLM_F_REQUEST | NLM_F_ACK | flags
    return message


def _failures(data: bytes) -> list[int]:
    """The error number of each acknowledgement; 0 where the kernel did as it was told."""
    found, offset = [], 0
    while offset < len(data):
        length, kind, *_ = HEADER.unpack_from(data, offset)
        if kind == NLMSG_ERROR:
            found.append(-ERROR.unpack_from(data, offset + HEADER.size)[0])
        offset += (length + 3) & ~3
    return found
