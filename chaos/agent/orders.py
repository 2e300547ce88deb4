"""The orders of the host to the agent: the plan that the agent reads at its start, and the control files after that."""

import json
from dataclasses import asdict, dataclass, field
from typing import Self

from chaos.client.spec import ClientSpec, Load
from chaos.model import Member


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentSpec:
    """The plan of an agent, which it reads at its start.

    - `limit_s`: after this many seconds the agent ends, whether or not the host is alive.
    - `names`: host names whose addresses the agent resolves once a second.
    - `hosts`: maps each host name to its address. None means that the agent asks a DNS resolver.
    - `settings`: settings of Redis to read in addition to the usual ones, each as a list of its alternative names.
    - `maps`: maps an address that Sentinel announces to the address under which the agent reaches that server.
    - `roll_s`: the agent begins new event files after this many seconds. 0 means that it never does.
    """

    clients: tuple[ClientSpec, ...]
    load: Load
    members: tuple[Member, ...]
    names: tuple[str, ...]
    limit_s: float
    hosts: dict[str, str] | None = None
    settings: tuple[tuple[str, ...], ...] = ()
    maps: dict[str, str] = field(default_factory=dict)
    roll_s: float = 0.0

    def dumps(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Self:
        data = json.loads(text)
        typed = {
            "clients": tuple(map(ClientSpec.from_json, data["clients"])),
            "load": Load.from_json(data["load"]),
            "members": tuple(map(Member.from_json, data["members"])),
            "names": tuple(data["names"]),
            "settings": tuple(map(tuple, data["settings"])),
        }
        return cls(**data | typed)


MEMBERS = "control/members.json"
"""The present members of the system. The host replaces the file whenever the platform reports a change."""
START = "control/start.json"
"""Start the clients: {"deadline_s": …, "most": …}. Observers run from the start of the agent.

`most` is how many meters to start per path and way. null means all of them."""
STOP = "control/stop.json"
"""Stop the clients: they begin no new operation, and running operations complete or time out."""
AUDIT = "control/audit.json"
"""Read every key back after the fault was healed: {"addresses": ["ip:port", …]}. This is the address of the master, or
of every server that may be the master. The agent writes `audit/` and an `audit` event."""
QUIT = "control/quit.json"
"""Stop observing, close the files and exit."""
