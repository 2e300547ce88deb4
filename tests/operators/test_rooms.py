"""A scenario may name exactly the operators that have a room."""

from typing import get_args

from chaos.operators.rooms import ROOMS
from chaos.scenario.model import System


def test_every_name_that_a_scenario_may_say_has_a_room_and_every_room_a_name():
    assert set(get_args(System.model_fields["operator"].annotation)) == set(ROOMS)
