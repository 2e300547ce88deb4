"""The nouns that every part shares. It needs the standard library only, since it ships into pods."""

import ipaddress
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, Literal, Self


class Outcome(IntEnum):
    """What became of one operation, as its row says.

    `FAILED` was surely not applied; `UNKNOWN` may have been applied. A row that was `IN_FLIGHT` when its writer died is
    read as unknown. `EMPTY` marks space that no operation has used yet.
    """

    EMPTY = 0
    IN_FLIGHT = 1
    OK = 2
    FAILED = 3
    UNKNOWN = 4
    MISSED = 5


class ErrorCode(IntEnum):
    """Why an operation was not ok. The names are Redis's error prefixes and the kernel's words."""

    NONE = 0
    REFUSED = 1
    RESET = 2
    CLOSED = 3
    CONNECT_TIMEOUT = 4
    REPLY_TIMEOUT = 5
    READONLY = 6
    LOADING = 7
    MASTERDOWN = 8
    NOREPLICAS = 9
    MISCONF = 10
    NAME_NOT_FOUND = 11
    UNREACHABLE = 12
    NO_MASTER = 13
    DISCOVERY_TIMEOUT = 14
    DISCOVERY_FAILED = 15
    NOT_SENT = 16
    AUTH = 17
    OTHER_REPLY = 18
    OTHER = 19
    OOM = 20
    TLS_FAILED = 21

    @property
    def words(self) -> str:
        """The name as people write it, such as `name not found`."""
        return self.name.lower().replace("_", " ")


WORKS_SHARE = 0.9
"""A path works if this share of its baseline was good. A name that reaches one pod of three has less."""


class RowFlag(IntEnum):
    """Bits of a row's flags."""

    OPENED = 1
    """This operation opened the connection that it used."""
    DISCOVERED = 2
    """Sentinel was asked for the master on behalf of this operation."""


class MemberKind(StrEnum):
    REDIS = "redis"
    SENTINEL = "sentinel"
    OPERATOR = "operator"
    PROXY = "proxy"
    """An HAProxy in front, through which clients reach the master. It is on the clients' side of every cut."""


Way = Literal["both", "in", "out"]
"""Which packets a cut stops, as its network namespace sees them: those that come in, those that go out, or both."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One process of the system under test, as the platform knows it now. A proxy has the port of its stats socket.

    `uid` changes when the pod is replaced under its old name, `container` when the process is restarted in place.
    `domain` is the clock domain of the node it runs on. `aliases` are the other addresses that it goes by, each with
    its port, such as the host name that it announces, or what Sentinel calls it where we reach it by another address.
    """

    name: str
    kind: MemberKind
    address: str
    port: int
    node: str
    domain: str
    uid: str
    container: str
    ordinal: int | None = None
    aliases: tuple[str, ...] = ()

    @property
    def ip_port(self) -> str:
        """What events call `address`. An IPv6 address has no brackets, as Redis writes it."""
        return f"{self.address}:{self.port}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        aliases = tuple(data.get("aliases", ()))
        return cls(**{**data, "kind": MemberKind(data["kind"]), "aliases": aliases})


@lru_cache
def split_address(address: str) -> tuple[str, int]:
    """Host and port of `host:port`, of `[fd00::1]:6379`, and of `fd00::1:6379`, as Redis writes that.

    A bare host has the port 0. This is the one place where an address is taken apart.
    """
    host, colon, port = address.rpartition(":")
    if not colon:
        return address, 0
    return host.strip("[]"), int(port)


@lru_cache
def canonical(address: str) -> str:
    """Return the one way to write an address, so that two texts for the same one are equal: as Redis writes it.

    Example: `[FD00:0::1]:6379` is `fd00::1:6379`, and `Redis-A:6379` is `redis-a:6379`.
    """
    host, port = split_address(address)
    name = str(ipaddress.ip_address(host)) if is_literal(host) else host.lower().removesuffix(".")
    return f"{name}:{port}" if port else name


@lru_cache
def is_literal(host: str) -> bool:
    """Return whether it is an address, and not a name that has to be resolved."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def service_in(address: str) -> str:
    """Return the Service that a client's address names, as in `redis` for `redis.ours.svc:6379`, or its address."""
    host, _ = split_address(address)
    return host if is_literal(host) else host.partition(".")[0]
