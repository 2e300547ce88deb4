"""The network of one system: a bridge, and a namespace of its own for every member and for the agent.

All of it is inside the network namespace of the nest, which `isolate` makes: nothing of the machine's own network is
seen or changed, nothing is mounted, and all of it goes when its last process and its last open file are gone.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

from chaos.cluster.local import links
from chaos.cluster.local.links import FIRST, LOOPBACK, Links
from chaos.cluster.local.rules import Rules
from chaos.errors import SetupError
from chaos.linux import CLONE_NEWNET, CLONE_NEWUSER, apart, die_with_parent, setns, unshare
from chaos.net.nft import Services

BRIDGE = IPv4Interface("10.93.0.1/16")
PORTS = 10
"""The index of the first port of the bridge."""
LAST = 254

SELF = Path("/proc/self")


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


class Network:
    """Made in the namespace that `isolate` gave; its methods are called there too. Raises OSError."""

    members = "10.93"

    def __init__(self) -> None:
        self._links = Links()
        made = links.bridge(FIRST, hardware(str(BRIDGE.ip)))
        self._links.do(links.up(LOOPBACK), made, links.address(FIRST, BRIDGE))
        self._port = PORTS

    def space(self, address: str) -> Space:
        """A new namespace with this address on the bridge; the way to anywhere else leads to the bridge."""
        self._port += 1
        file, inside = _new_namespace()
        with inside:
            self._links.do(links.pair(self._port, FIRST, file, hardware(address)))
            own = links.address(FIRST, IPv4Interface((address, BRIDGE.network.prefixlen)))
            inside.do(links.up(LOOPBACK), own, links.up(FIRST), links.default_route(BRIDGE.ip))
        return Space(file, address, self._port)

    def remove(self, space: Space) -> None:
        """Its link goes at once, the namespace when nobody is in it any more and nobody holds it open."""
        self._links.do(links.gone(space.port))
        os.close(self.file(space))

    def file(self, space: Space) -> int:
        """Of a space that is this one's."""
        assert space.file is not None
        return space.file

    def services(self, agent: Space, _log: Path, _fail: Callable[[BaseException], None]) -> Rules:
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


def hardware(address: str) -> str:
    """Follows from the address, so that whoever comes back under an address is reached at once by those who knew it."""
    return "02:00:" + ":".join(f"{byte:02x}" for byte in IPv4Address(address).packed)


def _new_namespace() -> tuple[int, Links]:
    """An open file on a new network namespace, and a socket in it."""

    def leave_and_open() -> tuple[int, Links]:
        unshare(CLONE_NEWNET)
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC), Links()

    return apart(leave_and_open)
