"""What all clients of one run share."""

from dataclasses import dataclass
from typing import Any

from chaos.client.link import Links
from chaos.client.names import Names
from chaos.client.tables import Tables
from chaos.client.wire import Wire
from chaos.clock import identity
from chaos.record.event_files import EventWriter
from chaos.record.layout import FORMAT
from chaos.record.ops_files import RowWriter
from chaos.timers import Timers


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """The surroundings of every meter."""

    timers: Timers
    links: Links
    rows: RowWriter
    events: EventWriter
    names: Names
    tables: Tables
    wire: Wire
    deadline_ns: int


def ops_header(domain: str, clients: list[dict[str, Any]]) -> dict[str, Any]:
    """What an ops file that this process writes begins with."""
    return {"format": FORMAT, "agent": domain, **identity(), "domain": domain, "clients": clients}
