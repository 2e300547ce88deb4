"""Negative controls: what is done to the system is known, and the harness has to find exactly that."""

from pathlib import Path

import pytest

from chaos.analysis.interval import Interval
from chaos.analysis.result import Verdict
from chaos.errors import INCONCLUSIVE
from chaos.model import Outcome
from chaos.record.ops_files import read_rows
from tests.fakes import read
from tests.local.play import Asked, Played, play
from tests.local.small import DEADLINE_S, PERIOD_S, action, experiment, meddle, probe, scenario

pytestmark = [pytest.mark.local, pytest.mark.timeout(800)]
PAUSED_S = 3.0
DELETED = 5
ROUND_TRIP_S, NEAR_NS = 0.05, 10**9
SETTINGS = {
    "system.settings.sentinel.down-after-milliseconds": 60000,
    "targets.lost_tail.gate": True,
    "targets.lost_after.gate": True,
    "clients.replica": {"address": "10.93.1.2:6379", "count": 1, "rate_each": "20/s", "gate": False},
}
"""No failover comes, for Sentinel's own writes are held up by a pause too. One path leads to a replica."""


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("controls")
    nothing = action("nothing")
    experiments = (
        experiment(folder, "deleted", "any", nothing, probe("hold", seconds=1), meddle("delete_writes", count=DELETED)),
        experiment(folder, "paused", "any", nothing, meddle("pause_writes", seconds=PAUSED_S)),
    )
    small = scenario(folder, SETTINGS)
    return play(Asked(small, experiments, folder / "reports"))


def test_a_fault_that_does_nothing_is_inconclusive(tmp_path: Path) -> None:
    """It was to bring a failover, which is waited for in vain."""
    harmless = experiment(tmp_path, "harmless", "failover", action("nothing"))
    small = scenario(tmp_path, SETTINGS | {"limits.recovery": "3s"})
    played = play(Asked(small, (harmless,), tmp_path / "reports", inconclusive=True))
    trial = played.of("harmless")

    assert trial.verdict is Verdict.INCONCLUSIVE, played.printed
    [doubt] = [doubt for doubt in trial.doubts if doubt.voids]
    assert doubt.name == "no effect"
    assert trial.failovers == ()
    assert played.code == INCONCLUSIVE


def test_acknowledged_writes_that_somebody_deletes_are_lost_and_nothing_else_is(played: Played) -> None:
    trial = played.of("deleted")
    deleted = set(played.output("deleted", "delete_writes"))
    acknowledged = deleted & acknowledged_keys(played.directory("deleted"))

    assert acknowledged
    assert trial.losses.lost == Interval.at(len(acknowledged))
    claims = ("lost_before", "lost_tail", "lost_after")
    assert "fail" in {trial.targets[claim].verdict for claim in claims}
    assert trial.verdict is Verdict.FAIL, played.printed


def test_an_outage_is_as_long_as_it_was(played: Played) -> None:
    """Each path's window holds a length between the least and the most that the two commands' own stamps allow."""
    trial = played.of("paused")
    pause, unpause = played.output("paused", "pause_writes")
    least_s = (unpause["before_ns"] - pause["after_ns"]) / 1e9
    most_s = (unpause["after_ns"] - pause["before_ns"]) / 1e9
    more_s = late_s(played, "paused", (pause["before_ns"], unpause["after_ns"]))

    assert least_s >= PAUSED_S
    assert trial.verdict is Verdict.PASS, played.printed
    for name in ("service/new", "service/kept", "sentinel/new", "sentinel/kept"):
        [window] = [one for one in trial.paths[name].windows if one.kind == "durable"]
        shortest_s, longest_s = window.length_s.least, window.length_s.most
        assert shortest_s <= most_s + more_s, (name, window, least_s, most_s)
        assert least_s <= longest_s, (name, window, least_s, most_s)
        assert longest_s - shortest_s <= 2 * PERIOD_S + DEADLINE_S + more_s, (name, window)


def test_the_experiment_for_it_is_measured_as_long_as_it_is_and_else_it_would_prove_nothing(tmp_path: Path) -> None:
    """DEBUG SLEEP 3. That another length voids the trial is in tests/analysis/test_doubts.py."""
    played = play(Asked(scenario(tmp_path, SETTINGS), ("known-outage",), tmp_path / "reports"))
    trial = played.of("known-outage")
    more_s = late_s(played, "known-outage", (trial_ns(played, 0.0), trial_ns(played, PAUSED_S)))

    assert trial.verdict is Verdict.PASS, played.printed
    assert trial.failovers == ()
    assert [doubt.text for doubt in trial.doubts if doubt.voids] == []
    for name in ("service/new", "service/kept", "sentinel/new", "sentinel/kept"):
        length_s = max((one.length_s for one in trial.paths[name].windows), key=lambda one: one.most)
        assert length_s.least - more_s <= PAUSED_S <= length_s.most, (name, length_s)
        assert length_s.width <= 2 * (PERIOD_S + ROUND_TRIP_S) + DEADLINE_S + more_s, (name, length_s)


def test_what_is_measured_of_a_path_that_never_worked_is_nothing(played: Played) -> None:
    """A replica refuses every write. That is no outage, and with the right table no doubt of ours."""
    for trial in played.result.trials:
        assert {doubt.name for doubt in trial.doubts} & {"outcomes", "clock"} == set()
        for name in ("replica/new", "replica/kept"):
            assert trial.paths[name].state == "never worked"
            assert trial.paths[name].windows == ()


def acknowledged_keys(directory: Path) -> set[str]:
    keys = read(directory / "manifest.json")["keys"]
    rows = [row for file in (directory / "ops").glob("*.rows") for row in read_rows(file)]
    return {f"{keys}{row.client}:{row.seq}" for row in rows if row.outcome == Outcome.OK}


def trial_ns(played: Played, at_s: float) -> int:
    """The stamp so long after the fault was seen to take effect."""
    [effect] = played.events("known-outage", "fault.effect")
    return effect.at_ns + int(at_s * 1e9)


def late_s(played: Played, experiment: str, edges_ns: tuple[int, int]) -> float:
    """What a round trip and the machine add at both edges of an outage: how late the agent's own timer came there."""
    hiccups = played.events(experiment, "hiccup")
    near = [one.event.late_ns for one in hiccups if any(abs(one.at_ns - edge) < NEAR_NS for edge in edges_ns)]
    return ROUND_TRIP_S + 2 * max(near, default=0) / 1e9
