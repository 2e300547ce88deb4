"""Which Redis begins as the master."""

from pathlib import Path

from chaos.cluster.local.platform import Plan, planned, turn
from tests.cluster.local.systems import scenario

REF = {"program": "/usr/bin/redis-server", "server": "redis", "version": "7", "level": "namespaces", "name": "local"}


def test_every_trial_begins_with_the_next():
    assert [turn(Path(f"reports/2026/trial-{number:03d}")) for number in (0, 1, 12)] == [0, 1, 12]
    assert [planned(REF, scenario(), Path(f"trial-{number:03d}")).first for number in range(4)] == [0, 1, 2, 0]


def test_a_directory_of_another_name_begins_with_the_first():
    assert turn(Path("elsewhere")) == 0


def test_the_nest_is_told():
    plan = planned(REF, scenario(), Path("trial-001"))
    assert Plan.parse(plan.line()) == plan
