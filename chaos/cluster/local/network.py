"""The network of one system: a bridge, a namespace of its own for every member and for the agent, and packet rules.

All of it is inside the network namespace of the nest, which `isolate` makes: nothing of the machine's own network is
seen or changed, nothing is mounted, and all of it goes when its last process and its last open file are gone.
`python -m chaos.cluster.local.network` tries once whether this machine allows it.

Links, addresses and routes are made by netlink. pyroute2's IPRoute would bring an event loop and a thread, so its
messages go over a socket of our own, as in `chaos.net.nft`. Indexes of links are chosen here, so that nothing is asked.
"""

import os
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any, Self

from pyroute2.netlink import NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NLMSG_ERROR, nlmsg
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from chaos.errors import SetupError
from chaos.linux import CLONE_NEWNET, CLONE_NEWUSER, apart, die_with_parent, setns, unshare
from chaos.net.cut import Cut
from chaos.net.nft import Services, Table
from chaos.net.service import Service

BRIDGE = IPv4Interface("10.93.0.1/16")
PORTS = 10
"""The index of the first port of the bridge."""
LAST = 254
SELF = Path("/proc/self")
SERVICES = "10.96.0"
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


@dataclass(frozen=True, slots=True)
class Space:
    """A network namespace. `file` is open on it and keeps it; `port` is its port's index on the bridge.

    `file` is None where there is none: whoever is there is in the machine's own, at an address of loopback.
    """

    file: int | None
    address: str
    port: int

    def entering(self) -> Callable[[], None]:
        """What a child calls before it becomes its program: it moves here, and the kernel kills it with its parent.

        It dies with the thread that started it, so that only the nest's main thread may start one.
        """
        parent = os.getpid()

        def enter() -> None:
            die_with_parent()
            if os.getppid() != parent:  # which ended before the kernel was told
                os._exit(1)
            if self.file is not None:
                setns(self.file, CLONE_NEWNET)

        return enter


def isolate() -> None:
    """Leave the machine's network for an empty one. Before any thread is started, for good.

    Where that is not allowed it is done within a user namespace, in which this user stays who he is. Raises OSError.
    """
    try:
        unshare(CLONE_NEWNET)
    except PermissionError:
        user, group = os.geteuid(), os.getegid()
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
        (SELF / "setgroups").write_text("deny")
        (SELF / "uid_map").write_text(f"{user} {user} 1")
        (SELF / "gid_map").write_text(f"{group} {group} 1")


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


class Network:
    """Made in the namespace that `isolate` gave; its methods are called there too. Raises OSError."""

    members = "10.93"

    def __init__(self) -> None:
        self._links = Links()
        made = _bridge(FIRST, hardware(str(BRIDGE.ip)))
        self._links.do(_up(LOOPBACK), made, new_address(FIRST, BRIDGE))
        self._port = PORTS

    def space(self, address: str) -> Space:
        """A new namespace with this address on the bridge; the way to anywhere else leads to the bridge."""
        self._port += 1
        file, inside = _new_namespace()
        with inside:
            self._links.do(_pair(self._port, FIRST, file, hardware(address)))
            own = new_address(FIRST, IPv4Interface((address, BRIDGE.network.prefixlen)))
            inside.do(_up(LOOPBACK), own, _up(FIRST), _default_route(BRIDGE.ip))
        return Space(file, address, self._port)

    def remove(self, space: Space) -> None:
        """Its link goes at once, the namespace when nobody is in it any more and nobody holds it open."""
        self._links.do(_gone(space.port))
        os.close(self.file(space))

    def file(self, space: Space) -> int:
        """Of a space that is this one's."""
        assert space.file is not None
        return space.file

    def services(self, agent: Space, _log: Path, _fail: Callable[[BaseException], None]) -> "Rules":
        return Rules(Services.within(self.file(agent)))


class Addresses:
    """Addresses of one kind of member, each given out once: a new address is one that nobody ever had."""

    def __init__(self, members: str, third: int) -> None:
        self._network = IPv4Address(f"{members}.{third}.0")
        self._last = 0

    def next(self) -> str:
        if self._last >= LAST:
            raise SetupError(f"all {LAST} addresses beside {self._network} were given out: play fewer replacements")
        self._last += 1
        return str(self._network + self._last)


class Rules:
    """Keeps `chaos.cluster.local.endpoints.Programs`."""

    addresses = SERVICES

    def __init__(self, services: Services) -> None:
        self._services = services
        self._programmed: list[Service] = []

    def apply(self, wanted: Sequence[Service], done: Callable[[], object]) -> None:
        """Before it returns."""
        if list(wanted) != self._programmed:
            self._services.apply(wanted)
            self._programmed = list(wanted)
        done()

    def processes(self) -> list[tuple[str, int]]:
        """The kernel needs none."""
        return []

    async def end(self) -> None:
        """They go with their namespace."""


def attempt() -> None:
    """Do once all that a nest needs of the kernel. Raises OSError for the first thing that it refuses."""
    isolate()
    network = Network()
    space = network.space("10.93.255.1")
    services = (Service("10.93.0.1", 6379, (("10.93.255.1", 6379),)), Service("10.93.255.1", 6379, ()))
    Services.within(network.file(space)).apply(services)
    Table.within(network.file(space)).apply(Cut(("10.93.0.1",)))
    network.remove(space)


def hardware(address: str) -> str:
    """Follows from the address, so that whoever comes back under an address is reached at once by those who knew it."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in IPv4Address(address).packed)


def _new_namespace() -> tuple[int, Links]:
    """An open file on a new network namespace, and a socket in it."""

    def leave_and_open() -> tuple[int, Links]:
        unshare(CLONE_NEWNET)
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC), Links()

    return apart(leave_and_open)


def _bridge(index: int, hardware: str) -> nlmsg:
    """A bridge that is up, with an address of its own: else it takes a port's, and another when that port goes.

    Without spanning tree its ports forward at once.
    """
    kind = {"attrs": [("IFLA_INFO_KIND", "bridge")]}
    return _link(index, [("IFLA_IFNAME", "bridge"), ("IFLA_ADDRESS", hardware), ("IFLA_LINKINFO", kind)])


def _pair(index: int, master: int, namespace: int, hardware: str) -> nlmsg:
    """Two ends: a port of the bridge `master`, and the first link of `namespace`, an open file, which is not yet up."""
    inside: Attributes = [("IFLA_IFNAME", "eth0"), ("IFLA_NET_NS_FD", namespace), ("IFLA_ADDRESS", hardware)]
    peer = {"index": FIRST, "attrs": inside}
    data = {"attrs": [("VETH_INFO_PEER", peer)]}
    kind = {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", data)]}
    return _link(index, [("IFLA_IFNAME", f"port{index}"), ("IFLA_MASTER", master), ("IFLA_LINKINFO", kind)])


def _up(index: int) -> nlmsg:
    message = _message(ifinfmsg, RTM_NEWLINK)
    message["index"] = index
    message["flags"] = message["change"] = UP
    return message


def _gone(index: int) -> nlmsg:
    """A link removed; of a pair the other end goes too."""
    message = _message(ifinfmsg, RTM_DELLINK)
    message["index"] = index
    return message


def new_address(index: int, interface: IPv4Interface) -> nlmsg:
    message = _message(ifaddrmsg, RTM_NEWADDR, NEW)
    message["family"] = socket.AF_INET
    message["prefixlen"] = interface.network.prefixlen
    message["index"] = index
    message["attrs"] = [("IFA_LOCAL", str(interface.ip)), ("IFA_ADDRESS", str(interface.ip))]
    return message


def _default_route(gateway: IPv4Address) -> nlmsg:
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


if __name__ == "__main__":
    attempt()
