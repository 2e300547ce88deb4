"""The network of one system: a bridge, a network namespace for each member and for the agent, and packet rules.

All of it is inside the network namespace of the nest, the process that runs the local system
(`chaos.cluster.local.nest`), and `isolate` makes that namespace. The machine's network is neither used nor changed,
nothing is mounted, and the kernel removes everything once the last process and the last open file are gone.
`python -m chaos.cluster.local.network` tries whether this machine allows it.

Links, addresses and routes are made through netlink (`chaos.net.netlink`). The index of each link is chosen here, so
that it need not be looked up.
"""

import json
import os
import socket
import sys
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

from pyroute2.netlink import nlmsg
from pyroute2.netlink.rtnl import RTM_DELLINK, RTM_NEWADDR, RTM_NEWLINK, RTM_NEWROUTE
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from chaos.cluster.local.pod import Space
from chaos.errors import SetupError
from chaos.linux import CLONE_NEWNET, CLONE_NEWUSER, apart, setns, unshare
from chaos.net.cut import Cut
from chaos.net.netlink import NEW, LinkSocket, link_message, shaped, unshaped
from chaos.net.nft import Services, Table
from chaos.net.service import Service

BRIDGE = IPv4Interface("10.93.0.1/16")
PORTS = 10
"""Ports of the bridge have link indices above this one."""
LAST = 254
SELF = Path("/proc/self")
SERVICES = "10.96.0"
UP = 1
"""The flag IFF_UP."""
LOOPBACK, FIRST = 1, 2
"""The index of the loopback link in every namespace, and of the first other link in it."""
MAIN_TABLE, BOOT, UNIVERSE, UNICAST = 254, 3, 0, 1
"""The table, protocol, scope and type of a route."""

Attributes = list[tuple[str, Any]]


def isolate() -> None:
    """Move this process into a new, empty network namespace. Call it before any thread is started. Raises OSError. If
    that is not allowed, a user namespace is made too, in which the user keeps the same id.
    """
    try:
        unshare(CLONE_NEWNET)
    except PermissionError:
        user, group = os.geteuid(), os.getegid()
        unshare(CLONE_NEWUSER | CLONE_NEWNET)
        (SELF / "setgroups").write_text("deny")
        (SELF / "uid_map").write_text(f"{user} {user} 1")
        (SELF / "gid_map").write_text(f"{group} {group} 1")


class Network:
    """The bridge and its namespaces. Use it in the namespace that `isolate` made.

    What makes or removes a part raises OSError if the kernel refuses.
    """

    members = "10.93"

    def __init__(self) -> None:
        self._links = LinkSocket()
        made = _bridge(FIRST, hardware(str(BRIDGE.ip)))
        self._links.do(_up(LOOPBACK), made, new_address(FIRST, BRIDGE))
        self._port = PORTS

    def space(self, address: str) -> Space:
        """Make a namespace with this address on the bridge, and a default route through the bridge."""
        self._port += 1
        file, inside = _new_namespace()
        with inside:
            self._links.do(_pair(self._port, FIRST, file, hardware(address)))
            own = new_address(FIRST, IPv4Interface((address, BRIDGE.network.prefixlen)))
            inside.do(_up(LOOPBACK), own, _up(FIRST), _default_route(BRIDGE.ip))
        return Space(file, address, self._port)

    def remove(self, space: Space) -> None:
        """Remove the link at once. The namespace goes when no process and no open file uses it."""
        self._links.do(_gone(space.port))
        os.close(self.file(space))

    def file(self, space: Space) -> int:
        """Return the open file of a namespace of this network. It is never None here."""
        assert space.file is not None
        return space.file

    def services(self, agent: Space, _log: Path, _fail: Callable[[BaseException], None]) -> "Rules":
        return Rules(Services.within(self.file(agent)))


class Addresses:
    """The addresses of one kind of member. Each is given out once: no new member has a former one's address."""

    def __init__(self, members: str, third: int) -> None:
        self._network = IPv4Address(f"{members}.{third}.0")
        self._last = 0

    def next(self) -> str:
        if self._last >= LAST:
            raise SetupError(f"all {LAST} addresses beside {self._network} were given out: play fewer replacements")
        self._last += 1
        return str(self._network + self._last)


class Rules:
    """Services as packet rules in the agent's namespace. It implements `chaos.cluster.local.endpoints.Programs`."""

    addresses = SERVICES

    def __init__(self, services: Services) -> None:
        self._services = services
        self._programmed: list[Service] = []

    def apply(self, wanted: Sequence[Service], done: Callable[[], object]) -> None:
        """Replace the rules, and call `done`. The rules are in force when this returns."""
        if list(wanted) != self._programmed:
            self._services.apply(wanted)
            self._programmed = list(wanted)
        done()

    def processes(self) -> list[tuple[str, int]]:
        """Return nothing: the kernel forwards."""
        return []

    async def end(self) -> None:
        """Do nothing. The rules vanish with their namespace."""


def attempt() -> None:
    """Do everything once that a nest needs of the kernel. Raises OSError for the first thing that is refused."""
    isolate()
    network = Network()
    space = network.space("10.93.255.1")
    services = (Service("10.93.0.1", 6379, (("10.93.255.1", 6379),)), Service("10.93.255.1", 6379, ()))
    Services.within(network.file(space)).apply(services)
    Table.within(network.file(space)).apply(Cut(("10.93.0.1",)))
    network.remove(space)


def hardware(address: str) -> str:
    """Return a MAC address made of an IP address, so that peers reach a successor at the same address at once."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in IPv4Address(address).packed)


def _new_namespace() -> tuple[int, LinkSocket]:
    """Return an open file of a new network namespace, and a netlink socket in it."""

    def leave_and_open() -> tuple[int, LinkSocket]:
        unshare(CLONE_NEWNET)
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC), LinkSocket()

    return apart(leave_and_open)


def _bridge(index: int, hardware: str) -> nlmsg:
    """Return the message that makes a bridge, up and without spanning tree, so that its ports forward at once. It has a
    MAC address of its own. Otherwise it would take a port's, and change it when that port goes.
    """
    kind = {"attrs": [("IFLA_INFO_KIND", "bridge")]}
    return _link(index, [("IFLA_IFNAME", "bridge"), ("IFLA_ADDRESS", hardware), ("IFLA_LINKINFO", kind)])


def _pair(index: int, master: int, namespace: int, hardware: str) -> nlmsg:
    """Return the message that makes a veth pair: a port of the bridge `master`, and eth0 in `namespace`, not up yet."""
    inside: Attributes = [("IFLA_IFNAME", "eth0"), ("IFLA_NET_NS_FD", namespace), ("IFLA_ADDRESS", hardware)]
    peer = {"index": FIRST, "attrs": inside}
    data = {"attrs": [("VETH_INFO_PEER", peer)]}
    kind = {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", data)]}
    return _link(index, [("IFLA_IFNAME", f"port{index}"), ("IFLA_MASTER", master), ("IFLA_LINKINFO", kind)])


def _up(index: int) -> nlmsg:
    message = link_message(ifinfmsg, RTM_NEWLINK)
    message["index"] = index
    message["flags"] = message["change"] = UP
    return message


def _gone(index: int) -> nlmsg:
    """Return the message that removes a link. The other end of a pair goes too."""
    message = link_message(ifinfmsg, RTM_DELLINK)
    message["index"] = index
    return message


def new_address(index: int, interface: IPv4Interface) -> nlmsg:
    message = link_message(ifaddrmsg, RTM_NEWADDR, NEW)
    message["family"] = socket.AF_INET
    message["prefixlen"] = interface.network.prefixlen
    message["index"] = index
    message["attrs"] = [("IFA_LOCAL", str(interface.ip)), ("IFA_ADDRESS", str(interface.ip))]
    return message


def _default_route(gateway: IPv4Address) -> nlmsg:
    message = link_message(rtmsg, RTM_NEWROUTE, NEW)
    fields = {"family": socket.AF_INET, "table": MAIN_TABLE, "proto": BOOT, "scope": UNIVERSE, "type": UNICAST}
    for key, value in fields.items():
        message[key] = value
    message["attrs"] = [("RTA_GATEWAY", str(gateway))]
    return message


def _link(index: int, attributes: Attributes) -> nlmsg:
    message = link_message(ifinfmsg, RTM_NEWLINK, NEW)
    message["index"] = index
    message["flags"] = message["change"] = UP
    message["attrs"] = attributes
    return message


def refused_queues() -> dict[str, str]:
    """Return the queueing disciplines for slow links that this kernel refuses, with its error."""
    isolate()
    file, _ = _new_namespace()
    refused = {}
    kinds: dict[str, dict[str, int]] = {"tbf": {"kbit": 64}, "netem": {"delay_ms": 1}}
    for kind, how in kinds.items():

        def tried(how: dict[str, int] = how) -> None:
            setns(file, CLONE_NEWNET)
            with LinkSocket() as links:
                shaped(links, LOOPBACK, **how)
                unshaped(links, LOOPBACK)

        try:
            apart(tried)
        except OSError as error:
            refused[kind] = f"this kernel has no {kind} ({error.strerror})"
    return refused


if __name__ == "__main__":
    if sys.argv[1:] == ["queues"]:
        sys.stdout.write(json.dumps(refused_queues()))
    else:
        attempt()
