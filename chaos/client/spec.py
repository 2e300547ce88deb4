"""The plan of a client. It is complete, so that the client needs neither the scenario nor the host."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from chaos.record.layout import EVENTS, OPS

Connection = Literal["new", "kept"]
"""`new` makes a connection for each operation. `kept` keeps one, and makes another after an error or a time-out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientSpec:
    """One client. Its rows carry its `number`, and clients with the same `path` are judged together.

    A `meter` speaks RESP itself, in an open loop. An `application` is a process of its own, in a closed loop. It uses a
    `library` or a function of the user's (`client`, as module:function), or is a `command`. What belongs to the user is
    looked for in `folder`, that of the scenario, and in `started_in`. `address` is the host:port that the client is
    given: that of a Service, or of Sentinel's Service if `via_sentinel`. If not `audited`, its keys prove nothing about
    losses. If it is a `gate`, it decides the verdict. `others` are more Sentinels, which meters ask in turn if one does
    not answer.
    """

    number: int
    kind: Literal["meter", "application"]
    path: str
    connection: Connection
    address: str
    rate_hz: float
    via_sentinel: bool = False
    library: str = ""
    others: tuple[str, ...] = ()
    client: str = ""
    command: tuple[str, ...] = ()
    folder: str = ""
    started_in: str = ""
    audited: bool = True
    gate: bool = True

    @property
    def what(self) -> str:
        """What an application client is, in a word or two."""
        return self.library or self.client or " ".join(self.command)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        lists = {name: tuple(data.get(name, ())) for name in ("others", "command")}
        return cls(**{**data, **lists})


@dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """What all clients of a trial share. An operation times out at `deadline_s`, and is good if it ended before.

    Every key begins with `keys`, which is `failover:<campaign>:<trial>:`, and a client adds `<number>:<seq>`. `master`
    is Sentinel's name for the master. If `read_only`, meters read keys that nobody ever writes, so that outages are
    seen and losses are not. Logins and TLS are in the environment (chaos.access).
    """

    deadline_s: float
    keys: str
    ttl_s: int
    database: int
    master: str
    value_bytes: int = 32
    read_only: bool = False

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(**data)


def key_of(load: Load, client: int, seq: int) -> str:
    """Return the key that operation `seq` of `client` writes, and that the audit reads back."""
    return f"{load.keys}{client}:{seq}"


STOP_S = 5.0
"""How many seconds a call may block after the stop. Then the process ends, and the row of the call stays in flight."""
READY = "ready"
"""The line that the process of an application client writes when its client is ready."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What the process of an application client is told, as one line on its standard input.

    `target` is the number of its address in the rows. `connect` is the client's address, with an IP address in it if
    the process could not resolve the name. `run` counts the starts of the clients. Each start has files of its own, and
    numbers operations from `first_seq` on.
    """

    spec: ClientSpec
    connect: str
    load: Load
    directory: str
    domain: str
    target: int
    run: int
    first_seq: int

    @property
    def rows_path(self) -> Path:
        return Path(self.directory) / OPS / f"{self._name}.rows"

    @property
    def events_path(self) -> Path:
        return Path(self.directory) / EVENTS / f"{self._name}.jsonl"

    @property
    def _name(self) -> str:
        return f"app-{self.spec.number}" + (f"-{self.run}" if self.run else "")

    def dumps(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Self:
        data = json.loads(text)
        return cls(**{**data, "spec": ClientSpec.from_json(data["spec"]), "load": Load.from_json(data["load"])})
