"""The types that every part shares. This module ships into pods and uses the standard library only."""

import ipaddress
from dataclasses import asdict, dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, Literal, Self


class Outcome(IntEnum):
    """The outcome of an operation.

    A `FAILED` operation was certainly not applied; an `UNKNOWN` one may have been. If its writer died, a row that is
    `IN_FLIGHT` counts as unknown. `EMPTY` marks unused space in a file.
    """

    EMPTY = 0
    IN_FLIGHT = 1
    OK = 2
    FAILED = 3
    UNKNOWN = 4
    MISSED = 5


class ErrorCode(IntEnum):
    """Why an operation was not ok. The names are Redis's error prefixes or the kernel's terms."""

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

    @property
    def sentence(self) -> str:
        """What it says of the address that was used, such as `the name does not resolve`."""
        return SENTENCES.get(self, f"Redis refuses with {self.name}")


SENTENCES = {
    ErrorCode.NONE: "it met no error",
    ErrorCode.NAME_NOT_FOUND: "the name does not resolve",
    ErrorCode.REFUSED: "nothing listens there: connection refused",
    ErrorCode.RESET: "the other side resets the connection",
    ErrorCode.CLOSED: "the other side closes the connection",
    ErrorCode.UNREACHABLE: "no route leads there",
    ErrorCode.CONNECT_TIMEOUT: "connecting takes too long",
    ErrorCode.REPLY_TIMEOUT: "no answer comes in time",
    ErrorCode.NOT_SENT: "the connection is not there in time",
    ErrorCode.NO_MASTER: "Sentinel knows no master of that name",
    ErrorCode.DISCOVERY_TIMEOUT: "Sentinel does not answer in time",
    ErrorCode.DISCOVERY_FAILED: "no Sentinel can be asked for the master",
    ErrorCode.AUTH: "Redis refuses the user: NOAUTH, WRONGPASS or NOPERM",
    ErrorCode.OTHER_REPLY: "Redis refuses with another error",
    ErrorCode.TLS_FAILED: "TLS fails",
    ErrorCode.OTHER: "the connection breaks",
}
"""What the errors say that are no word of Redis's own, such as READONLY."""


WORKS_SHARE = 0.9
"""A path works if at least this share of its operations in the baseline was good. A name that leads to one of three
pods at random has less."""


class RowFlag(IntEnum):
    """The bits of a row's `flags`."""

    OPENED = 1
    """The operation opened the connection that it used."""
    DISCOVERED = 2
    """Sentinel was asked for the master for this operation."""


class MemberKind(StrEnum):
    REDIS = "redis"
    SENTINEL = "sentinel"
    OPERATOR = "operator"
    PROXY = "proxy"
    """An HAProxy through which clients reach the master. Every cut leaves it on the clients' side."""


Way = Literal["both", "in", "out"]
"""Which packets a cut drops, as its network namespace sees them: incoming, outgoing, or both."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One process of the system under test, as the platform reports it now.

    A proxy's `port` is that of its stats socket.

    `uid` changes when the pod is replaced under the same name, and `container` when the process is restarted in place.
    `domain` is the clock domain of the member's node. `aliases` are its other addresses, with ports, such as a host
    name that it announces, or its address in Sentinel's view if we reach it at another.
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
        """The `address` in events. An IPv6 address has no brackets, as in Redis."""
        return f"{self.address}:{self.port}"

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        aliases = tuple(data.get("aliases", ()))
        return cls(**{**data, "kind": MemberKind(data["kind"]), "aliases": aliases})


@lru_cache
def split_address(address: str) -> tuple[str, int]:
    """Return host and port of `host:port`, `[fd00::1]:6379` or `fd00::1:6379`, which is Redis's format.

    The port of a bare host is 0.
    """
    host, colon, port = address.rpartition(":")
    if not colon:
        return address, 0
    return host.strip("[]"), int(port)


@lru_cache
def canonical(address: str) -> str:
    """Return the canonical spelling of an address, which is Redis's, so that equal addresses are equal texts.

    For example, `[FD00:0::1]:6379` becomes `fd00::1:6379`, and `Redis-A:6379` becomes `redis-a:6379`.
    """
    host, port = split_address(address)
    name = str(ipaddress.ip_address(host)) if is_literal(host) else host.lower().removesuffix(".")
    return f"{name}:{port}" if port else name


@lru_cache
def is_literal(host: str) -> bool:
    """Return whether the host is an IP address, and not a name to resolve."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def service_in(address: str) -> str:
    """Return the Service in a client's address, such as `redis` in `redis.ours.svc:6379`, or the IP address."""
    host, _ = split_address(address)
    return host if is_literal(host) else host.partition(".")[0]
