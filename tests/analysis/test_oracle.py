"""Random trials, read twice: by the analysis, and by the naive reading of tests/oracle.py."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isclose
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from chaos.analysis.interval import Interval
from chaos.analysis.result import PathResult, TrialResult, Verdict
from chaos.analysis.trial import analyse_trial
from chaos.analysis.verdict import of_campaign
from chaos.clock import AGENT, HOST
from chaos.model import ErrorCode, Outcome
from tests import oracle
from tests.recordings import Story, changed, scenario_json, write_trial
from tests.recordings.load import write_bits
from tests.recordings.world import IPS, NODE, PODS
from tests.report.results import trial

FAST = (Phase.explicit, Phase.generate)
settings.register_profile("suite", max_examples=25, deadline=None, derandomize=True, database=None, phases=FAST)
settings.register_profile("many", max_examples=1500, deadline=None, database=None)
PROFILE = os.environ.get("FAILOVER_EXAMPLES", "suite")
"""`many` finds more, tells the smallest example that fails, and takes minutes."""
settings.load_profile(PROFILE)
FEW = settings(max_examples=max(8, settings().max_examples // 4))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300 if PROFILE == "suite" else 3600)]

LENGTH_S = 9.0
KINDS: dict[str, dict[str, Any]] = {
    "refused": {"outcome": Outcome.FAILED, "error": ErrorCode.REFUSED},
    "readonly": {"outcome": Outcome.FAILED, "error": ErrorCode.READONLY, "node": 0},
    "time-out": {"outcome": Outcome.UNKNOWN, "error": ErrorCode.REPLY_TIMEOUT, "takes_s": 0.1},
    "long": {"outcome": Outcome.UNKNOWN, "error": ErrorCode.CLOSED, "takes_s": 0.9},
    "under way": {"outcome": Outcome.IN_FLIGHT, "error": ErrorCode.NONE},
    "missed": {"outcome": Outcome.MISSED, "error": ErrorCode.NOT_SENT},
    "late": {"outcome": Outcome.OK, "error": ErrorCode.NONE, "node": 0, "takes_s": 0.15},
    "late and lost": {"outcome": Outcome.OK, "error": ErrorCode.NONE, "node": 0, "takes_s": 0.15, "lost": True},
    "lost": {"outcome": Outcome.OK, "error": ErrorCode.NONE, "node": 0, "lost": True},
}
"""What a spell of operations may meet."""


def hundredths(least: float, most: float) -> st.SearchStrategy[float]:
    return st.integers(round(100 * least), round(100 * most)).map(lambda value: value / 100)


SPELLS = st.fixed_dictionaries(
    {
        "path": st.sampled_from(["service", "sentinel"]),
        "connection": st.sampled_from([None, "new", "kept"]),
        "client": st.sampled_from([None, 0, 1, 2, 5]),
        "start_s": hundredths(-2.5, LENGTH_S),
        "length_s": st.sampled_from([0.02, 0.1, 0.9, 1.0, 1.1, 3.0, 30.0]) | hundredths(0.02, 4.0),
        "kind": st.sampled_from(list(KINDS)),
    }
)


@dataclass(frozen=True)
class Plan:
    """What befalls a trial of two ways and both kinds of connections: any trouble at any time."""

    meters: int
    width_s: float
    heal_s: float | None
    spells: list[dict[str, Any]]
    hiccups: list[tuple[float, int]]
    waits: list[tuple[int, int, int]]
    masters: tuple[bool, bool, bool]
    limits: dict[str, Any]
    gates: frozenset[str]

    def story(self) -> Story:
        targets = {name: {"limit": limit, "gate": name in self.gates} for name, limit in self.limits.items()}
        scenario = scenario_json(targets=targets | {"works_at_end": {"gate": "works_at_end" in self.gates}})
        story = Story(expects="any", meters=self.meters, baseline_s=4.0, length_s=LENGTH_S, scenario=scenario)
        story.fault(width_s=self.width_s)
        for spell in self.spells:
            how = {"connection": spell["connection"], "client": spell["client"], **KINDS[spell["kind"]]}
            story.out(spell["path"], spell["start_s"], spell["start_s"] + spell["length_s"], **how)
        if self.heal_s is not None:
            story.healed(self.heal_s, name="crash")
        for at_s, late_ms in self.hiccups:
            story.event("hiccup", at_s, AGENT, late_ns=late_ms * 10**6)
        for second, ordinal, waited_ms in self.waits:
            waited = {"member": PODS[ordinal], "waited_ns": waited_ms * 10**6}
            story.event("waited", second, HOST, second - 0.8, **waited)
        for ordinal, is_master in enumerate(self.masters):
            story.role(LENGTH_S - 0.5, ordinal, "master" if is_master else "slave", IPS[ordinal])
        return story


def plans(*, stalls: bool = True) -> st.SearchStrategy[Plan]:
    seconds, most = hundredths(0, 8).map("{:g}s".format), 2 if stalls else 0
    limits = {"recovery": seconds, "downtime": seconds} | dict.fromkeys(oracle.CLASSES, st.integers(0, 60))
    late = st.tuples(hundredths(-2, LENGTH_S), st.sampled_from([30, 60, 300, 1200]))
    wait = st.tuples(st.integers(-2, int(LENGTH_S)), st.integers(0, 2), st.sampled_from([20, 60, 700]))
    return st.builds(
        Plan,
        meters=st.integers(1, 2),
        width_s=st.sampled_from([0.0, 0.012, 0.4]),
        heal_s=st.none() | hundredths(0.2, 8),
        spells=st.lists(SPELLS, max_size=5),
        hiccups=st.lists(late, max_size=most),
        waits=st.lists(wait, max_size=most, unique_by=lambda each: each[:2]),
        masters=st.sampled_from([(False, True, False)]) | st.tuples(*[st.booleans()] * 3),
        limits=st.fixed_dictionaries(limits),
        gates=st.frozensets(st.sampled_from([*limits, "works_at_end"])),
    )


@contextmanager
def written(story: Story, other_master: int | None = None) -> Iterator[Path]:
    """The story's directory; `other_master`: the audit read a second master, which lacks every so many-th key."""
    with tempfile.TemporaryDirectory() as folder:
        directory = write_trial(story, Path(folder))
        if other_master:
            second = directory / "audit" / "second"
            second.mkdir()
            for client in story.clients:
                kept = story.load(client).kept()
                kept[::other_master] = False
                write_bits(second / f"{client.number}.bits", kept)
        yield directory


def pair(value: Interval | None) -> tuple[float, float] | None:
    return None if value is None else (round(value.least, 6), round(value.most, 6))


def rounded(value: oracle.Pair | None) -> oracle.Pair | None:
    return None if value is None else (round(value[0], 6), round(value[1], 6))


@given(plan=plans(), other_master=st.sampled_from([None, 3, 40]))
def test_both_readings_see_the_same_outages_losses_and_verdicts(plan: Plan, other_master: int | None):
    with written(plan.story(), other_master) as directory:
        result, trial = analyse_trial(directory), oracle.read(directory)
    lost = oracle.losses(trial)
    for name, count in lost.items():
        assert pair(getattr(result.losses, name)) == count
    ways = oracle.ways(trial)
    for name, path in result.paths.items():
        way = ways[name]
        assert (path.state, path.lost, path.at_end) == (way.state, way.lost, way.at_end), name
        assert pair(path.recovered_s) == rounded(way.recovered), name
        assert pair(path.downtime_s) == rounded(way.downtime), name
        told = [(w.when, pair(w.onset_s), pair(w.end_s), pair(w.length_s)) for w in path.windows if w.kind == "durable"]
        expected = [
            [(o.when, rounded(o.onset), rounded(o.end), rounded(o.length)) for o in outages] for outages in way.each
        ]
        assert told in (expected or [[]]), name
    _same_verdict(result, trial, oracle.promises(trial, ways))


def _same_verdict(result: TrialResult, trial: oracle.Trial, expected: dict[str, str]) -> None:
    if any(doubt.voids for doubt in result.doubts):
        assert result.verdict is Verdict.INCONCLUSIVE
        return
    found = {name: it.verdict for name, it in result.targets.items() if name in expected}
    for path in result.paths.values():
        found |= {f"{name}, {path.name}": it.verdict for name, it in path.targets.items()}
    unsure = {name for name in found if name.startswith("downtime") and (trial.stalls or trial.waits)}
    assert {name: it for name, it in found.items() if name not in unsure} == {
        name: it for name, it in expected.items() if name not in unsure
    }
    assert all(found[name] in (expected[name], "undecided") for name in unsure)
    gates = {name: found[name] for name in expected if trial.scenario["targets"][name.partition(",")[0]]["gate"]}
    assert result.verdict.value == oracle.verdict(gates)


@given(plans(), st.lists(hundredths(-1, 8), min_size=3, max_size=3), st.booleans())
def test_phases_and_the_unattributed_rest_sum_to_the_window(plan: Plan, at_s: list[float], requested: bool):
    story = plan.story()
    sdown_s, try_s, promoted_s = sorted(at_s)
    story.failover(sdown_s=None if requested else sdown_s, try_s=try_s + 0.1, promoted_s=promoted_s + 0.2)
    story.labelled(promoted_s + 0.7)
    with written(story) as directory:
        result = analyse_trial(directory)
    for path in result.paths.values():
        head = path.head
        if head is None or head.end_s is None or path.state != "works":
            continue
        length_s = head.end_s.middle - head.onset_s.middle
        assert isclose(sum(it.seconds for it in head.phases) + head.unattributed_s, length_s, abs_tol=1e-6)
        assert all(it.least - 1e-9 <= it.seconds <= it.most + 1e-9 for it in head.phases)
        edges = [head.onset_s.middle, *(at for it in head.phases for at in (it.start_s, it.end_s)), head.end_s.middle]
        assert all(later >= earlier - 1e-9 for earlier, later in pairwise(edges))


def told(result: TrialResult) -> dict[str, Any]:
    """What a trial says of the system, without the rows that show it and the seconds of our own clocks."""
    paths = {name: replace(path, operations=None, full_s=None, errors={}) for name, path in result.paths.items()}  # type: ignore[arg-type]
    findings = [(one.name, one.sentence) for one in result.findings]
    milestones = {name: (it.state, pair(it.at_s)) for name, it in result.milestones.items()}
    return {
        "verdict": result.verdict,
        "because": result.because,
        "losses": result.losses,
        "milestones": milestones,
        "paths": {name: _figures(path) for name, path in paths.items()},
        "findings": findings,
        "cause": result.cause,
        "t0": result.t0,
    }


def _figures(path: PathResult) -> dict[str, Any]:
    windows = [(w.kind, w.when, pair(w.onset_s), pair(w.end_s), pair(w.length_s), w.widened) for w in path.windows]
    targets = {name: (it.verdict, pair(it.measured)) for name, it in path.targets.items()}
    figures = {name: pair(getattr(path, name)) for name in ("outage_s", "recovered_s", "downtime_s")}
    return {"windows": windows, "targets": targets, "state": path.state, "at_end": path.at_end, **figures}


def failed_over(plan: Plan) -> Story:
    return plan.story().failover(sdown_s=2.0, try_s=2.2, promoted_s=2.6).labelled(3.4)


CHANGES: dict[str, Callable[[Path, int], None]] = {
    "later": lambda directory, number: changed.later(directory, number * 10**9 + 1),
    "earlier": lambda directory, number: changed.later(directory, -number * 10**8),
    "in another order": changed.shuffled,
}


@pytest.mark.parametrize("how", CHANGES)
@FEW
@given(plan=plans(), number=st.integers(1, 30))
def test_neither_the_time_nor_the_order_of_the_files_changes_anything(how: str, plan: Plan, number: int):
    with written(failed_over(plan)) as directory:
        before = told(analyse_trial(directory))
        CHANGES[how](directory, number)
        assert told(analyse_trial(directory)) == before


@FEW
@given(plan=plans(), number=st.integers(0, 3))
def test_a_second_client_that_had_no_trouble_changes_nothing(plan: Plan, number: int):
    with written(failed_over(plan)) as directory:
        before = analyse_trial(directory)
        changed.with_an_untroubled_client(directory, like=number)
        after = analyse_trial(directory)
    worked = {name for name, path in before.paths.items() if path.state == "works"}
    for name in worked:
        same = _figures(after.paths[name]) | {"windows": (), "at_end": ""}
        assert same == _figures(before.paths[name]) | {"windows": (), "at_end": ""}
        assert (after.paths[name].at_end == "out") == (before.paths[name].at_end == "out")
    if worked == set(before.paths):
        assert after.verdict is before.verdict


@FEW
@given(
    plan=plans(stalls=False),
    domain=st.sampled_from([AGENT, NODE]),
    ahead_s=st.sampled_from([-3000, -1, 1, 86_400]),
    error_s=st.sampled_from([0.0, 0.004, 0.25]),
)
def test_another_clock_makes_edges_wider_by_its_error_and_no_length(
    plan: Plan, domain: str, ahead_s: int, error_s: float
):
    with written(failed_over(plan)) as directory:
        before = analyse_trial(directory)
        changed.by_another_clock(directory, domain, ahead_s * 10**9, round(error_s * 1e9))
        after = analyse_trial(directory)
    assert not [doubt for doubt in after.doubts if doubt.name == "clock"]
    for name, path in after.paths.items():
        was = before.paths[name]
        if domain != AGENT or not path.windows:
            continue
        assert path.state == was.state
        assert pair(path.recovered_s) == pair(was.recovered_s and was.recovered_s.widened(error_s, error_s)) or (
            was.recovered_s is not None and was.recovered_s.is_open
        )
        if len(path.windows) == len(was.windows):
            assert [pair(w.length_s) for w in path.windows] == [pair(w.length_s) for w in was.windows]
    for name, milestone in after.milestones.items():
        known = before.milestones.get(name)
        if milestone.at_s and known and known.at_s:
            assert milestone.at_s.least <= known.at_s.most + 2 * error_s + 1e-6, name
            assert milestone.at_s.most >= known.at_s.least - 1e-6, name


@given(st.lists(st.sampled_from(list(Verdict)), max_size=6))
def test_a_campaign_is_as_its_worst_trial(verdicts: list[Verdict]):
    trials = [trial(number, 40.0, 50.0, verdict=verdict) for number, verdict in enumerate(verdicts)]
    verdict, rule = of_campaign(trials)
    names = [each.value for each in verdicts]
    assert verdict.value == ("fail" if "fail" in names else "pass" if set(names) == {"pass"} else "inconclusive")
    unknown = names.count("inconclusive")
    assert (f"{unknown} of {len(names)}" in rule) == bool(unknown)
