"""The rooms by name: what a scenario may say in `system.operator`."""

from chaos.operators.base import Operator
from chaos.operators.spotahome.room import Spotahome
from chaos.scenario.model import Scenario

ROOMS: dict[str, type[Operator]] = {room.name: room for room in (Operator, Spotahome)}


def of(scenario: Scenario) -> Operator:
    """The room that the scenario names; one that is not known here claims nothing."""
    return ROOMS.get(scenario.system.operator, Operator)()
