"""The verdicts of the trials that tests play on real servers: the test session prints how many were inconclusive.

Every campaign is played once. A trial that is inconclusive says that the machine or the harness was not up to it, so
that a share which grows is a fault of ours, also while every test is green.
"""

from collections.abc import Iterable

from chaos.analysis.result import TrialResult

_said: list[str] = []


def counted(trials: Iterable[TrialResult]) -> None:
    """Let these trials count. Leave out those that are made to be inconclusive: what they say is no news."""
    _said.extend(str(trial.verdict) for trial in trials)


def taken() -> list[str]:
    """What was counted since the last call, in order."""
    said, _said[:] = _said[:], []
    return said
