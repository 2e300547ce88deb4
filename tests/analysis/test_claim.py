"""Claims about all failovers of a kind: how many trials they take, when they are decided, and what they are worth."""

from dataclasses import replace

import numpy as np
import pytest

from chaos.analysis.claim import Claim, Played, design
from chaos.analysis.result import TrialResult, Verdict
from chaos.analysis.verdict import of_campaign
from chaos.options import claim as read
from tests.report.results import trial

CLAIM = Claim.parse("15s@95/95")


@pytest.mark.parametrize("text", ["15@95/95", "15s@95", "15s@100/95", "15s@0/95", "s@95/95", "15s@95/95 "])
def test_what_is_no_claim_is_said(text: str):
    with pytest.raises(ValueError, match=r"no claim; write 15s@95/95"):
        read(text)


def test_a_claim_is_read_as_it_is_written():
    assert str(Claim.parse(read("1.5s@99.9/95"))) == "1.5s@99.9/95"


@pytest.mark.parametrize(
    ("claim", "trials"),
    [
        ("1s@50/95", [5, 8, 11, 13]),
        ("1s@80/95", [14, 22, 30, 37]),
        ("1s@95/95", [59, 93, 124, 153]),
        ("1s@99/95", [299, 473, 628, 773]),
    ],
)
def test_so_many_trials_support_a_claim(claim: str, trials: list[int]):
    assert [Claim.parse(claim).trials(misses) for misses in range(4)] == trials


def test_so_many_may_miss():
    assert [CLAIM.misses(n) for n in (58, 59, 92, 93, 299)] == [-1, 0, 0, 1, 8]


def test_what_is_going_to_be_played_is_said_before():
    assert "takes 59 trials of each experiment, and no miss is allowed; up to 3 that" in design(CLAIM, 59)
    assert "takes 93 trials of each experiment, and 1 miss is allowed" in design(CLAIM, 93)
    assert "8 misses are allowed" in design(CLAIM, 299)


class TestWhenItIsOver:
    def test_it_goes_on_while_it_is_open(self):
        assert not Played(59, passed=58).over(CLAIM)
        assert not Played(93, passed=90, failed=1).over(CLAIM)

    def test_it_stops_when_it_must_hold(self):
        assert Played(93, passed=92).over(CLAIM)
        assert Played(93, passed=92).verdict(CLAIM) is Verdict.PASS

    def test_it_stops_when_it_can_no_longer_hold(self):
        assert Played(59, passed=3, failed=1).over(CLAIM)
        assert Played(59, passed=3, failed=1).verdict(CLAIM) is Verdict.FAIL

    def test_an_inconclusive_one_is_made_up_for_as_if_it_had_missed(self):
        one = Played(59, passed=58, unknown=1)
        assert (one.wanted(CLAIM), one.over(CLAIM)) == (93, False)
        assert one.verdict(CLAIM) is Verdict.INCONCLUSIVE
        more = replace(one, passed=92)
        assert more.over(CLAIM)
        assert more.verdict(CLAIM) is Verdict.PASS

    def test_too_many_inconclusive_ones_end_it(self):
        assert Played(59, passed=10, unknown=4).over(CLAIM)
        assert Played(59, passed=10, unknown=4).verdict(CLAIM) is Verdict.INCONCLUSIVE

    def test_failures_are_never_made_up_for(self):
        assert Played(59, failed=1, unknown=1).over(CLAIM)


class TestVerdict:
    def test_what_holds_even_if_every_inconclusive_one_had_missed_does_hold(self):
        assert Played(299, passed=297, unknown=2).verdict(CLAIM) is Verdict.PASS

    def test_what_fails_even_if_every_inconclusive_one_had_kept_it_does_fail(self):
        assert Played(299, passed=288, failed=9, unknown=2).verdict(CLAIM) is Verdict.FAIL

    def test_what_hangs_on_inconclusive_ones_is_inconclusive(self):
        assert Played(299, passed=289, failed=8, unknown=2).verdict(CLAIM) is Verdict.INCONCLUSIVE

    def test_an_interrupted_one_is_inconclusive(self):
        assert Played(59, passed=40).verdict(CLAIM) is Verdict.INCONCLUSIVE

    def test_summary_names_the_claim_as_the_rule(self):
        def played(*verdicts: Verdict, experiment: str = "kill-master") -> list[TrialResult]:
            return [replace(trial(0, 5, 5), verdict=each, experiment=experiment) for each in verdicts]

        def manifest(*experiments: str) -> dict[str, object]:
            return {"claim": str(CLAIM), "trials": 59, "experiments": [*experiments]}

        kept = [Verdict.PASS] * 59
        late = played(*[Verdict.PASS] * 20, Verdict.FAIL, experiment="delete-master")
        verdict, rule = of_campaign(played(*kept), manifest("kill-master"))
        said = "the claim 15s@95/95 holds of kill-master: 59 of 59 trials kept it, and 0 may miss"
        assert (verdict, rule) == (Verdict.PASS, said)
        verdict, rule = of_campaign(played(*kept) + late, manifest("kill-master", "delete-master"))
        assert verdict is Verdict.FAIL
        assert "fails of delete-master: 20 of 59 trials kept it, 1 missed it, 38 not played, and 0 may miss" in rule
        verdict, rule = of_campaign(played(*kept), manifest("kill-master", "delete-master"))
        assert verdict is Verdict.INCONCLUSIVE
        assert "is undecided of delete-master: 0 of 59 trials kept it, 59 not played" in rule
        verdict, rule = of_campaign([replace(trial(1, 5, 5), verdict=Verdict.PASS)] * 59, manifest("kill-master"))
        assert verdict is Verdict.INCONCLUSIVE
        assert "1 of 2 trials was not played or is no longer there (trial 0)" in rule


@pytest.mark.parametrize("planned", [59, 93, 299])
@pytest.mark.parametrize("unknown", [0.0, 0.03])
def test_a_false_claim_holds_in_at_most_one_campaign_of_twenty(planned: int, unknown: float):
    """95 % of failovers keep it exactly, so that it is only just false; some trials are inconclusive."""
    draw, held, of = np.random.default_rng(planned), 0, 1500
    for _ in range(of):
        played = Played(planned)
        while not played.over(CLAIM):
            chance, known = draw.random(2)
            name = "unknown" if known < unknown else "passed" if chance < CLAIM.share else "failed"
            played = replace(played, **{name: getattr(played, name) + 1})
        held += played.verdict(CLAIM) is Verdict.PASS
    assert held / of <= 0.06
