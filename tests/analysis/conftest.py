"""Stories told, written to a directory, and read back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chaos.analysis.history import History
from chaos.analysis.result import TrialResult
from chaos.analysis.trial import analyse_trial
from tests.recordings import Story, write_trial

Analysed = Callable[[Story], TrialResult]
Placed = Callable[[Story], History]


@pytest.fixture
def analysed(tmp_path: Path) -> Analysed:
    """The result of a story."""
    return lambda story: analyse_trial(write_trial(story, tmp_path))


@pytest.fixture
def placed(tmp_path: Path) -> Placed:
    """A story on its axis."""
    return lambda story: History.load(write_trial(story, tmp_path))
