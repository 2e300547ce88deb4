"""Which Redis begins as the master."""

from pathlib import Path

from chaos.cluster.local.platform import Plan, planned
from tests.cluster.local.systems import scenario

REF = {"program": "/usr/bin/redis-server", "server": "redis", "version": "7", "level": "namespaces", "name": "local"}


def of_turn(number: int) -> Plan:
    return planned(REF | {"turn": str(number)}, scenario(), Path("trial-001"))


def test_every_trial_begins_with_the_next():
    assert [of_turn(number).first for number in range(4)] == [0, 1, 2, 0]


def test_the_nest_is_told():
    plan = of_turn(1)
    assert Plan.parse(plan.line()) == plan
