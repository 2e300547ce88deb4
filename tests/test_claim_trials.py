"""Which trials a claim still takes while verdicts come in."""

from chaos.analysis.claim import Claim
from chaos.analysis.result import Verdict
from chaos.claim_trials import Wanted
from chaos.experiment.written import load
from tests.fakes import HERE

CLAIM = Claim.parse("15s@50/80")
"""Three trials of which none misses support it, or five of which one does."""
EXPERIMENTS = [load(HERE / "experiments" / f"{name}.yaml") for name in ("kill-master", "delete-master")]


def begun(trials: int = 3, only: str = "") -> tuple[Wanted, list[tuple[int, str]]]:
    """What is wanted, and the trials that were begun, as (number among its experiment's, experiment)."""
    found: list[tuple[int, str]] = []

    def make(nth: int, experiment):
        found.append((nth, experiment.name))
        return lambda: None

    return Wanted(CLAIM, trials, [one for one in EXPERIMENTS if only in one.name], make), found


def test_experiments_take_turns():
    wanted, found = begun()
    assert len(list(wanted)) == wanted.total() == 6
    assert found == [(nth, name) for nth in range(3) for name in ("kill-master", "delete-master")]


def test_one_that_can_no_longer_hold_takes_no_more():
    wanted, found = begun()
    next(wanted), next(wanted)
    wanted.take("kill-master", Verdict.FAIL)
    list(wanted)
    assert found[2:] == [(1, "delete-master"), (2, "delete-master")]
    assert wanted.total() == 4


def test_one_that_must_hold_takes_no_more():
    wanted, found = begun(5, "kill")
    for _ in range(4):
        next(wanted)
        wanted.take("kill-master", Verdict.PASS)
    assert next(wanted, None) is None
    assert len(found) == 4


def test_an_inconclusive_one_is_made_up_for_after_all_that_were_planned_have_begun():
    wanted, _ = begun(3, "kill")
    assert len(list(wanted)) == 3
    for verdict in (Verdict.PASS, Verdict.PASS, Verdict.INCONCLUSIVE):
        wanted.take("kill-master", verdict)
    assert wanted.total() == 5
    assert len(list(wanted)) == 2
