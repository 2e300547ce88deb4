"""The network of one system: a bridge, a namespace of its own for every member and for the agent, and packet rules.

All of it is inside the network namespace of the nest, which `isolate` makes: nothing of the machine's own network is
seen or changed, nothing is mounted, and all of it goes when its last process and its last open file are gone.
`python -m chaos.cluster.local.network` tries once whether this machine allows it.

Links, addresses and routes are made by netlink. pyroute2's IPRoute would bring an event loop and a thread, so its
messages go over a socket of our own, as in `chaos.net.nft`. Indexes of links are chosen here, so that nothing is asked.
"""

import os
import socket
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
from chaos.net.messages import failure_in, split
from chaos.net.nft import Services, Table
from chaos.net.service import Service

BRIDGE = IPv4Interface("10.93.0.1/16")
PORTS = 10
"""The index of the first link that is a port of the bridge."""
LAST = 254
SELF = Path("/proc/self")
SERVICES = "10.96.0"
UP = 1
"""IFF_UP."""
LOOPBACK, FIRST = 1, 2
"""The index of every namespace's loopback, and that of the first link made in it."""
MAIN_TABLE, BOOT, UNIVERSE, UNICAST = 254, 3, 0, 1
"""The table, the protocol, the scope and the type of a route."""
NEW = NLM_F_CREATE | NLM_F_EXCL
ANSWER_S = 2.0
"""The kernel answers before `send` returns; this only keeps a wait from being endless."""

Attributes = list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Space:
    """Where a member is: a network namespace and its address. `port` is the index of its port on the bridge.

    `file` is an open file that keeps the namespace. It is None if the member is in the machine's own namespace, at an
    address of loopback.
    """

    file: int | None
    address: str
    port: int

    def entering(self) -> Callable[[], None]:
        """What a child calls before it becomes its program: it moves into the namespace, and dies with its parent.

        The kernel kills it when the thread that started it ends, so only the nest's main thread may start one.
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
    """Leave the machine's network for an empty one, for good. Call it before any thread is started.

    If that is not allowed it is done within a user namespace, in which the user keeps his id. Raises OSError.
    """
    try:
        unshare(CLONE_NEWNET)
    except PermissionError:
        user, group = os.geteuid(), os.getegid()
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
        (SELF / "setgroups").write_text("deny")
        (SELF / "uid_map").write_text(f"{user} {user} 1")
        (SELF / "gid_map").write_text(f"{group} {group} 1")


class LinkSocket:
    """A netlink socket in the network namespace of the thread that made it. Any thread may use it after that."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.bind((0, 0))
        self._socket.settimeout(ANSWER_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def do(self, *messages: nlmsg) -> None:
        """Have the kernel act on messages in their order. Raises OSError for the first one that it refuses."""
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


class Network:
    """The bridge and its namespaces. Make it, and call it, in the namespace that `isolate` gave. Raises OSError."""

    members = "10.93"

    def __init__(self) -> None:
        self._links = LinkSocket()
        made = _bridge(FIRST, hardware(str(BRIDGE.ip)))
        self._links.do(_up(LOOPBACK), made, new_address(FIRST, BRIDGE))
        self._port = PORTS

    def space(self, address: str) -> Space:
        """A new namespace with this address on the bridge, and a route to everywhere through the bridge."""
        self._port += 1
        file, inside = _new_namespace()
        with inside:
            self._links.do(_pair(self._port, FIRST, file, hardware(address)))
            own = new_address(FIRST, IPv4Interface((address, BRIDGE.network.prefixlen)))
            inside.do(_up(LOOPBACK), own, _up(FIRST), _default_route(BRIDGE.ip))
        return Space(file, address, self._port)

    def remove(self, space: Space) -> None:
        """Remove the link at once. The namespace goes when nobody is in it or holds it open any more."""
        self._links.do(_gone(space.port))
        os.close(self.file(space))

    def file(self, space: Space) -> int:
        """The open file of a space of this network, which always has one."""
        assert space.file is not None
        return space.file

    def services(self, agent: Space, _log: Path, _fail: Callable[[BaseException], None]) -> "Rules":
        return Rules(Services.within(self.file(agent)))


class Addresses:
    """The addresses of one kind of member. Each is given out once, so that a new one was never anybody's."""

    def __init__(self, members: str, third: int) -> None:
        self._network = IPv4Address(f"{members}.{third}.0")
        self._last = 0

    def next(self) -> str:
        if self._last >= LAST:
            raise SetupError(f"all {LAST} addresses beside {self._network} were given out: play fewer replacements")
        self._last += 1
        return str(self._network + self._last)


class Rules:
    """Services by packet rules in the agent's namespace, as `chaos.cluster.local.endpoints.Programs`."""

    addresses = SERVICES

    def __init__(self, services: Services) -> None:
        self._services = services
        self._programmed: list[Service] = []

    def apply(self, wanted: Sequence[Service], done: Callable[[], object]) -> None:
        """Replace the rules, which hold when this returns."""
        if list(wanted) != self._programmed:
            self._services.apply(wanted)
            self._programmed = list(wanted)
        done()

    def processes(self) -> list[tuple[str, int]]:
        """No process: the kernel forwards."""
        return []

    async def end(self) -> None:
        """Nothing has to be done: the rules go with their namespace."""


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
    """The hardware address that belongs to an address: peers that knew a member reach its successor at once."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in IPv4Address(address).packed)


def _new_namespace() -> tuple[int, LinkSocket]:
    """An open file on a new network namespace, and a socket in it."""

    def leave_and_open() -> tuple[int, LinkSocket]:
        unshare(CLONE_NEWNET)
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC), LinkSocket()

    return apart(leave_and_open)


def _bridge(index: int, hardware: str) -> nlmsg:
    """A bridge that is up, without spanning tree, so that its ports forward at once.

    It has a hardware address of its own. Otherwise it would take that of a port, and another one when that port goes.
    """
    kind = {"attrs": [("IFLA_INFO_KIND", "bridge")]}
    return _link(index, [("IFLA_IFNAME", "bridge"), ("IFLA_ADDRESS", hardware), ("IFLA_LINKINFO", kind)])


def _pair(index: int, master: int, namespace: int, hardware: str) -> nlmsg:
    """Two ends of one link: a port of the bridge `master`, and the first link of `namespace`, which is not up yet."""
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
    """Remove a link, and with it the other end of a pair."""
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


if __name__ == "__main__":
    attempt()
