"""What the settings allow."""

from dataclasses import replace

import pytest

from chaos.analysis.allowed import Means, through_sentinel, through_service

CRASH = Means(
    down_after_s=5.0,
    failover_timeout_s=10.0,
    period_s=30.0,
    in_place=False,
    requested=False,
    lower=False,
    gone_s=None,
)


@pytest.mark.parametrize(
    ("means", "sentinel", "service"),
    [
        (CRASH, (5.2, 8.6), (6.0, 37.0)),
        (replace(CRASH, lower=True), (5.2, 8.6), (36.0, 67.0)),
        (replace(CRASH, in_place=True), (26.0, 36.0), (26.0, 66.0)),
        (replace(CRASH, in_place=True, lower=True), (26.0, 36.0), (36.0, 78.0)),
        (replace(CRASH, in_place=True, lower=True, failover_timeout_s=180.0), (26.0, 36.0), (56.0, 96.0)),
        (replace(CRASH, in_place=True, lower=True, failover_timeout_s=None), (26.0, 36.0), (56.0, 96.0)),
        (replace(CRASH, requested=True, gone_s=32.0), (0.0, 3.6), (32.0, 68.0)),
        (replace(CRASH, requested=True, gone_s=32.0, lower=True), (0.0, 3.6), (62.0, 98.0)),
        (replace(CRASH, requested=True), (0.0, 3.6), None),
        (replace(CRASH, period_s=None), (5.2, 8.6), None),
        (replace(CRASH, down_after_s=1.0), (1.2, 4.6), (2.0, 33.0)),
    ],
)
def test_ranges(means: Means, sentinel: tuple[float, float], service: tuple[float, float] | None):
    assert through_sentinel(means) == pytest.approx(sentinel)
    assert through_service(means) == (service if service is None else pytest.approx(service))
