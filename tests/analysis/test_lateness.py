"""A member that waited for a core: what that may have made of operations and of targets is not called the system's."""

import pytest

from chaos.analysis.result import Verdict
from chaos.model import ErrorCode, Outcome
from tests.analysis.conftest import Analysed
from tests.recordings import Story, kill_master, no_fault
from tests.recordings.world import OPERATOR, PODS, SENTINELS

LATE = {"outcome": Outcome.UNKNOWN, "error": ErrorCode.REPLY_TIMEOUT, "takes_s": 0.1}
SENTINEL, *_ = SENTINELS


def waited(story: Story, at_s: float, *waits: tuple[str, float]) -> Story:
    """Each (member, seconds) within the 0.1 s before `at_s`, on a machine that counts."""
    story.event("waits", -5.0, counted=True)
    for member, seconds in waits:
        story.event("waited", at_s, since_s=at_s - 0.1, member=member, waited_ns=int(seconds * 1e9))
    return story


def slow() -> Story:
    """Nothing was done, and one operation was not answered in time."""
    return no_fault().out("service", 3.0, 3.02, **LATE)


@pytest.mark.parametrize(
    ("waits", "verdict"),
    [
        ([], Verdict.FAIL),
        ([(PODS[0], 0.06)], Verdict.PASS),
        ([(PODS[0], 0.04)], Verdict.FAIL),
        ([(PODS[0], 0.03), (SENTINEL, 0.03)], Verdict.PASS),
        ([(OPERATOR, 0.09)], Verdict.INCONCLUSIVE),
    ],
    ids=["nobody waited", "a Redis", "for less than half the deadline", "two, one after the other", "the operator"],
)
def test_an_operation_that_met_a_wait_of_half_the_deadline_opens_no_window(
    analysed: Analysed, waits: list[tuple[str, float]], verdict: Verdict
) -> None:
    assert analysed(waited(slow(), 3.1, *waits)).verdict is verdict


@pytest.mark.parametrize("at_s", [2.9, 3.3])
def test_a_wait_before_or_after_an_operation_excuses_nothing(analysed: Analysed, at_s: float) -> None:
    assert analysed(waited(slow(), at_s, (PODS[0], 0.09))).verdict is Verdict.FAIL


def test_waits_of_several_looks_add_up(analysed: Analysed) -> None:
    story = waited(waited(slow(), 3.05, (PODS[0], 0.03)), 3.15, (PODS[0], 0.03))
    assert analysed(story).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("seconds", "verdict"),
    [(0.7, Verdict.FAIL), (0.9, Verdict.INCONCLUSIVE)],
)
def test_an_outage_of_the_control_that_waits_as_long_may_explain_is_undecided(
    analysed: Analysed, seconds: float, verdict: Verdict
) -> None:
    """0.8 s of it met no wait; all of what members waited may have been in its way."""
    story = no_fault().out("service", 3.0, 4.0, **LATE)
    trial = analysed(waited(story, 3.2, (PODS[0], seconds / 2), (OPERATOR, seconds / 2)))
    assert trial.verdict is verdict
    assert ("waited for a core" in trial.because[0]) is (verdict is not Verdict.FAIL)


def test_a_refusal_is_no_lateness(analysed: Analysed) -> None:
    """READONLY is the system's answer, however long anybody waited."""
    story = no_fault().out("service", 3.0, 4.0, error=ErrorCode.READONLY)
    assert analysed(waited(story, 3.2, (PODS[0], 2.0))).verdict is Verdict.FAIL


def test_another_outage_that_nothing_explains_is_one(analysed: Analysed) -> None:
    story = no_fault().out("service", 3.0, 4.0, **LATE).out("service", 9.0, 9.5, **LATE)
    assert analysed(waited(story, 3.2, (PODS[0], 1.5))).verdict is Verdict.FAIL


def test_a_wait_at_the_end_of_an_outage_makes_its_interval_wider_and_decides_nothing(analysed: Analysed) -> None:
    """Back at 46 s where 15 s were promised: later, however long anybody waited."""
    story = kill_master(back_s=46.0).out("service", 45.9, 46.0, **LATE)
    path = analysed(waited(story, 46.0, (PODS[1], 0.09))).paths["service/new"]
    assert path.head is not None
    assert path.head.widened == ("end",)
    assert path.targets["recovery"].verdict == "fail"


def test_only_a_limit_inside_the_widened_interval_is_undecided(analysed: Analysed) -> None:
    story = kill_master(back_s=15.05).out("service", 14.9, 15.05, **LATE)
    assert analysed(story).paths["service/new"].targets["recovery"].verdict == "fail"
    waits = [(PODS[1], 0.09)]
    late = analysed(waited(waited(story, 15.0, *waits), 15.1, *waits))
    assert late.paths["service/new"].targets["recovery"].verdict == "undecided"


def test_a_downtime_is_undecided_where_the_limit_lies_within_what_waits_may_explain(analysed: Analysed) -> None:
    story = kill_master(back_s=10.0).out("service", 30.0, 38.0, **LATE)
    assert analysed(waited(story, 36.0, (PODS[1], 2.0))).paths["service/new"].targets["downtime"].verdict == "fail"
    late = analysed(waited(story, 36.0, (PODS[1], 2.0))).paths["service/new"].targets["downtime"]
    assert late.verdict == "undecided"
    assert late.why == "up to 4.00 s of it may be our own stalls or waits for a core"


def test_a_pass_stands(analysed: Analysed) -> None:
    assert analysed(waited(kill_master(back_s=14.0), 9.0, (PODS[1], 3.0))).verdict is Verdict.PASS


def test_it_is_remarked_and_in_the_record(analysed: Analysed) -> None:
    trial = analysed(waited(kill_master(back_s=14.0), 9.0, (PODS[1], 0.3), (SENTINEL, 0.4)))
    assert [doubt.text for doubt in trial.doubts] == ["members waited 0.70 s for a core, added up"]
    assert trial.covariates["cpu_waited_s"] == pytest.approx(0.7)


def test_where_nobody_counts_there_is_no_figure(analysed: Analysed) -> None:
    assert analysed(kill_master()).covariates["cpu_waited_s"] is None
    trial = analysed(kill_master(back_s=14.0).event("waits", -5.0, counted=False))
    assert trial.covariates["cpu_waited_s"] is None
    assert [doubt.text for doubt in trial.doubts] == ["this kernel does not count how long a process waits for a core"]
