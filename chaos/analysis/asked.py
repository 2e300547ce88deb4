"""What a recording says of what was to be played: its scenario, and the faults that were requested."""

from typing import Any

from pydantic import ValidationError

from chaos.analysis.clocks import Clocks
from chaos.errors import RecordingError
from chaos.record.events import (
    Event,
    FaultAccepted,
    FaultConfirmed,
    FaultEffect,
    FaultRequested,
    FaultUnproved,
    HealConfirmed,
    HealRequested,
    Role,
    Stamped,
)
from chaos.record.reader import Recording
from chaos.scenario.scenario import Scenario

FaultEvents = dict[type[Event], Stamped[Any]]
"""What was said of one fault, by kind."""
NOTHING_PROMISED: dict[str, Any] = {
    "about": "",
    "system": {
        "local": {"sentinel": {"service": "sentinel"}, "endpoint": {"service": "redis", "mode": "sentinel"}},
        "period": "1s",
    },
    "clients": {},
    "targets": {},
}
OF_A_FAULT = (FaultAccepted, FaultEffect, FaultConfirmed, FaultUnproved, HealRequested, HealConfirmed)


def said_of_faults(recording: Recording, clocks: Clocks) -> tuple[list[FaultEvents], FaultEvents | None]:
    """The events of every fault, and those of the origin.

    An event belongs to the last request of its fault before it, and a heal to the first one that is not healed. The
    origin is the fault that the experiment marks, else
    the first one whose target said that it was master, else the first.
    """
    placed = [(at[1], one) for one in recording.events if (at := clocks.place(one.domain, one.at_ns))]
    found: list[FaultEvents] = []
    marked: FaultEvents | None = None
    on_a_master: FaultEvents | None = None
    roles: dict[str, str] = {}
    for _, one in sorted(placed, key=lambda each: each[0]):
        event = one.event
        if isinstance(event, Role):
            roles[event.member] = event.role
        elif isinstance(event, FaultRequested):
            found.append({FaultRequested: one})
            marked = marked or (found[-1] if event.origin else None)
            is_on_master = any(one and roles.get(one["name"]) == "master" for one in (event.target, *event.others))
            on_a_master = on_a_master or (found[-1] if is_on_master else None)
        elif isinstance(event, OF_A_FAULT):
            mine = [said for said in found if said[FaultRequested].event.fault == event.fault]
            if isinstance(event, (HealRequested, HealConfirmed)):  # of several that are held all are healed, in turn
                mine = [said for said in mine if type(event) not in said][:1]
            if mine:
                mine[-1].setdefault(type(event), one)
    return found, marked or on_a_master or next(iter(found), None)


def scenario_of(recording: Recording) -> Scenario:
    """Return the scenario as it was played. A trial that died before its manifest was written promised nothing."""
    written = recording.manifest.get("scenario", NOTHING_PROMISED)
    try:
        return Scenario.model_validate(written)
    except ValidationError as error:
        raise RecordingError(f"{recording.directory}: its manifest's scenario is none: {error}") from error
