"""What the settings allow, through Sentinel by what it does, and through a Service by what its operator does."""

from dataclasses import replace

import pytest

from chaos.analysis.result import Node
from chaos.operators.operator import Means, Operator
from chaos.operators.spotahome.room import Spotahome
from tests.analysis.conftest import Analysed
from tests.recordings import delete_master, kill_master
from tests.saying import edges

OLD, NEW = Node(name="pod-0", ordinal=0), Node(name="pod-1", ordinal=1)
HIGHER = Means(
    down_after_s=5.0,
    failover_timeout_s=10.0,
    period_s=30.0,
    in_place=False,
    requested=False,
    target=NEW,
    successor=OLD,
    gone_s=None,
)
LOWER = replace(HIGHER, target=OLD, successor=NEW)


@pytest.mark.parametrize(
    ("means", "service"),
    [
        (HIGHER, (6.0, 37.0)),
        (LOWER, (36.0, 67.0)),
        (replace(HIGHER, in_place=True), (26.0, 66.0)),
        (replace(LOWER, in_place=True), (36.0, 78.0)),
        (replace(LOWER, in_place=True, failover_timeout_s=180.0), (56.0, 96.0)),
        (replace(LOWER, in_place=True, failover_timeout_s=None), (56.0, 96.0)),
        (replace(HIGHER, requested=True, gone_s=32.0), (32.0, 68.0)),
        (replace(LOWER, requested=True, gone_s=32.0), (62.0, 98.0)),
        (replace(HIGHER, down_after_s=1.0), (2.0, 33.0)),
    ],
)
def test_what_the_resync_allows(means: Means, service: tuple[float, float]):
    assert edges(Spotahome().allowed_through_service(means)) == pytest.approx(service)


def test_of_a_pod_that_was_not_seen_to_go_nothing_is_known():
    assert Spotahome().allowed_through_service(replace(HIGHER, requested=True)) is None


def test_without_an_operator_nothing_is_claimed_of_a_service():
    assert Operator().allowed_through_service(HIGHER) is None


def test_what_sentinel_allows(analysed: Analysed):
    assert edges(analysed(kill_master()).paths["sentinel/new"].allowed_s) == pytest.approx((5.2, 8.6))
    assert edges(analysed(delete_master()).paths["sentinel/new"].allowed_s) == pytest.approx((0.0, 3.6))


def test_after_two_failovers_the_settings_decide_nothing(analysed: Analysed):
    story = kill_master(back_s=52.0)
    assert analysed(story).paths["sentinel/new"].allowed_s
    story.failover(sdown_s=None, try_s=40.0, promoted_s=40.2, epoch=2)
    assert analysed(story).paths["sentinel/new"].allowed_s is None
