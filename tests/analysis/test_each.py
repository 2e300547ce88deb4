"""Many recordings are read side by side, in their order, and nothing is left behind."""

import os

import pytest

from chaos.analysis.analyse import FEW, each
from chaos.errors import RecordingError


def where(number: int) -> tuple[int, int]:
    return number, os.getpid()


def refuse(number: int) -> int:
    if number == 30:
        raise RecordingError(f"{number} cannot be read")
    return number


def die(_number: int) -> int:
    os._exit(9)


@pytest.fixture
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})


def test_a_few_stay_here(cores: None):
    assert {process for _, process in each(where, range(2 * FEW - 1))} == {os.getpid()}


def test_many_are_in_order_and_in_other_processes(cores: None):
    found = each(where, range(40))
    assert [number for number, _ in found] == list(range(40))
    assert os.getpid() not in {process for _, process in found}


def test_what_one_raises_is_raised_here(cores: None):
    with pytest.raises(RecordingError, match="30 cannot be read"):
        each(refuse, range(40))


def test_a_process_that_is_killed_is_said_in_a_sentence(cores: None):
    with pytest.raises(RecordingError, match="is there memory for it"):
        each(die, range(40))
