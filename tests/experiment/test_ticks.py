"""When the operator made its last pass, as the trial sees it live: the moment `tick` waits for that."""

from pathlib import Path

from chaos.clock import AGENT
from chaos.cluster.health import Facts
from chaos.experiment.observed import Observed
from chaos.operators.operator import Operator
from chaos.operators.spotahome.room import Spotahome
from chaos.record.events import ClockOffset, ConfigSet, Stamped

SETS = ((100, 90, "redis-0", 4), (200, 190, "redis-1", 4), (300, 290, "redis-0", 4), (400, 380, "redis-1", 5))
"""When it was polled and when before, of whom, and how many it counted."""


def ticked_ns(folder: Path, operator: Operator, *more: Stamped[ClockOffset]) -> list[int]:
    """When the last pass was, after each of the counts."""
    observed = Observed(folder, Facts(), lambda _told: None)
    observed.is_tick = operator.ticks()
    for event in more:
        observed.take(event)
    found = []
    for at_ns, since_ns, member, calls in SETS:
        counted = ConfigSet(member=member, run_id="r", calls=calls)
        observed.take(Stamped(event=counted, domain=AGENT, at_ns=at_ns, since_ns=since_ns))
        found.append(observed.ticked_ns)
    return found


def test_a_pass_is_seen_where_a_process_counts_more_and_it_was_between_two_polls(tmp_path: Path) -> None:
    """The first count of a process tells nothing, and neither does the same count again."""
    assert ticked_ns(tmp_path, Spotahome()) == [0, 0, 0, 390]


def test_it_is_on_the_hosts_clock(tmp_path: Path) -> None:
    offset = Stamped(event=ClockOffset(of=AGENT, offset_ns=50, error_ns=0), domain="host", at_ns=0)
    assert ticked_ns(tmp_path, Spotahome(), offset)[-1] == 340


def test_a_system_without_an_operator_never_ticks(tmp_path: Path) -> None:
    assert ticked_ns(tmp_path, Operator()) == [0, 0, 0, 0]
