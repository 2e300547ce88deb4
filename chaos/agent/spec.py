"""What the agent is told at its start. What comes later arrives as a file in `control/`."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from chaos.client.spec import ClientSpec, Load
from chaos.model import Member


@dataclass(frozen=True, kw_only=True, slots=True)
class AgentSpec:
    """`limit_s` bounds the agent's life whatever the host does. `names` are the addresses it resolves once a second.

    `hosts` are all the names there are, with their addresses, where no resolver is to be asked; None: one is asked.
    `settings` are settings of Redis that are read beside the usual ones: of each the names that it may have.
    """

    trial: str
    clients: tuple[ClientSpec, ...]
    load: Load
    members: tuple[Member, ...]
    names: tuple[str, ...]
    limit_s: float
    hosts: dict[str, str] | None = None
    settings: tuple[tuple[str, ...], ...] = ()

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
        )


MEMBERS = "control/members.json"
"""A list of members as they are now; replaced whenever the platform says that one changed."""
START = "control/start.json"
"""Start the clients: {"deadline_s": …, "most": …}. Observers run from the agent's own start.

`most` is how many meters of each path and way are started, null for all."""
STOP = "control/stop.json"
"""Stop the clients: no new operation; those under way end or time out."""
AUDIT = "control/audit.json"
"""Read every key back, after healing: {"addresses": ["ip:port", …]} of the master, or of all where it is not known
which one counts. Writes `audit/` and an `audit` event."""
QUIT = "control/quit.json"
"""Stop observing, close the files, exit."""
