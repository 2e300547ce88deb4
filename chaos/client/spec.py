"""What a client is told: a resolved plan, so that it needs neither the scenario nor the host."""

from dataclasses import dataclass
from typing import Any, Literal, Self

Connection = Literal["new", "kept"]
"""`new`: a connection per operation. `kept`: one connection, reopened after an error or a time-out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientSpec:
    """One client. `number` is the row's client; `path` groups clients for the verdict.

    kind `meter`: open loop, raw RESP. kind `application`: closed loop in a process of its own, `library` names it.
    `address` is host:port of the service asked, or of the Sentinel service where `via_sentinel`.
    """

    number: int
    kind: Literal["meter", "application"]
    path: str
    connection: Connection
    address: str
    rate_hz: float
    via_sentinel: bool = False
    library: str = ""

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(**data)


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What all clients of a trial share. `deadline_s` is both the time-out and the deadline of a good operation.

    `keys` begins every key: `failover:<campaign>:<trial>:`; a client adds `<number>:<seq>`. `master` is Sentinel's name
    for the master. The password is read from the environment variable `FAILOVER_REDIS_PASSWORD`, never from a file.
    """

    deadline_s: float
    keys: str
    ttl_s: int
    database: int
    master: str
    value_bytes: int = 32

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(**data)


def key_of(load: Load, client: int, seq: int) -> str:
    """The key that operation `seq` of `client` writes, once, and that the audit reads back."""
    return f"{load.keys}{client}:{seq}"
