"""A replica acknowledges no write: what says otherwise is a fault of ours."""

from chaos.analysis.outcomes import acknowledged_by_replicas
from chaos.model import Outcome
from tests.analysis.conftest import Analysed, Placed
from tests.analysis.test_quality import crash, gating
from tests.recordings import Story
from tests.recordings.load import Spell
from tests.recordings.world import IPS

REPLICA = 2


def told(outcome: Outcome, *, follows: bool = True) -> Story:
    """For a second, operations of one path are answered by a process that says that it is a replica, or a master."""
    story = crash()
    for tenths in range(40):
        role, master = ("slave", f"{IPS[0]}:6379") if follows else ("master", None)
        story.role(-4.0 + tenths / 10, REPLICA, role, IPS[REPLICA], master=master)
    story.spells.append(Spell(path="service", start_s=-2.0, end_s=-1.0, outcome=outcome, node=REPLICA))
    return story


def test_an_ok_that_only_a_replica_can_have_said(analysed: Analysed, placed: Placed) -> None:
    assert acknowledged_by_replicas(placed(told(Outcome.OK))) > 30
    assert "outcomes" in gating(analysed(told(Outcome.OK)))


def test_a_refusal_by_a_replica_is_as_it_should_be(placed: Placed) -> None:
    assert acknowledged_by_replicas(placed(told(Outcome.FAILED))) == 0


def test_an_ok_of_a_master_is_as_it_should_be(placed: Placed) -> None:
    assert acknowledged_by_replicas(placed(told(Outcome.OK, follows=False))) == 0
