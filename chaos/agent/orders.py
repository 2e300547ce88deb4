"""What the agent is told at its start. What comes later arrives as a file in `control/`."""

import json
from dataclasses import asdict, dataclass, field
from typing import Self

from chaos.client.spec import ClientSpec, Load
from chaos.model import Member


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentSpec:
    """The plan of an agent. `limit_s` bounds its life whatever the host does.

    `names` are the addresses that it resolves once a second. `hosts` has the address of every name if no resolver is to
    be asked, and is None if one is. `settings` are settings of Redis to read beside the usual ones, each as the list of
    names that it may have. `maps` leads from an address that Sentinel tells to the one by which it is reached. If
    `roll_s` is given, the agent records into new files that often.
    """

    trial: str
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
        return cls(
            trial=data["trial"],
            clients=tuple(ClientSpec.from_json(item) for item in data["clients"]),
            load=Load.from_json(data["load"]),
            members=tuple(Member.from_json(item) for item in data["members"]),
            names=tuple(data["names"]),
            limit_s=data["limit_s"],
            hosts=data["hosts"],
            settings=tuple(map(tuple, data["settings"])),
            maps=data["maps"],
            roll_s=data["roll_s"],
        )


MEMBERS = "control/members.json"
"""The members as they are now. The file is replaced whenever the platform says that one changed."""
START = "control/start.json"
"""Start the clients: {"deadline_s": …, "most": …}. Observers run from the agent's own start.

`most` is how many meters of each path and way are started. It is null for all of them."""
STOP = "control/stop.json"
"""Stop the clients. They begin no new operation, and those that are under way end or time out."""
AUDIT = "control/audit.json"
"""Read every key back, after healing: {"addresses": ["ip:port", …]}. There is one address, the master's, or several if
it is not known which master counts. The agent writes `audit/` and an `audit` event."""
QUIT = "control/quit.json"
"""Stop observing, close the files and exit."""
