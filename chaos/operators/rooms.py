"""The rooms by the names that a scenario may give as `system.operator`."""

from chaos.operators.operator import Operator
from chaos.operators.spotahome.room import Spotahome
from chaos.scenario.model import Scenario

ROOMS: dict[str, type[Operator]] = {room.name: room for room in (Operator, Spotahome)}


def of(scenario: Scenario) -> Operator:
    """The room that the scenario names. If there is none of that name, it is that of no operator."""
    return ROOMS.get(scenario.system.operator, Operator)()
