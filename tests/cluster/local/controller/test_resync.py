"""When reconciles are due."""

import pytest

from chaos.cluster.local.controller.resync import next_ns


@pytest.mark.parametrize(
    ("now", "due"),
    [(101, 130), (129, 130), (130, 130), (131, 130), (159, 130), (161, 160), (195, 190)],
)
def test_ticks_that_came_meanwhile_are_one_and_the_phase_stays(now, due):
    assert next_ns(100, now, 30) == due
