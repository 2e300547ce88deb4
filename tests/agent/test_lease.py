"""Leases, on a clock of the test's own."""

from pathlib import Path

import pytest

from chaos.agent.lease import Hold, Leases, Term
from chaos.errors import FaultError

CUT, PAUSE = Hold("cafe", 4026531840, "cut"), Hold("cafe", None)


class Clock:
    """Time passes when it is told to."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> int:
        return int(self.s * 1e9)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(tmp_path: Path, clock: Clock) -> Leases:
    return Leases(tmp_path, clock)


def test_a_hold_is_undone_once_when_its_renewals_end(leases: Leases, clock: Clock) -> None:
    undone: list[str] = []
    leases.take(CUT, Term(30, 600), lambda: undone.append("cut"))
    clock.s = 29.9
    leases.expire()
    assert undone == []
    clock.s = 30.0
    leases.expire()
    leases.expire()
    assert undone == ["cut"]
    assert leases.healed[0].because == "no renewal for 30 s"


def test_a_renewal_begins_the_lease_again_but_not_the_longest(leases: Leases, clock: Clock) -> None:
    leases.take(CUT, Term(30, 90), lambda: None)
    for clock.s in (20, 40, 60, 80, 89):
        leases.renew()
        leases.expire()
        assert leases.holds() == [CUT]
    clock.s = 90
    leases.renew()
    leases.expire()
    assert leases.holds() == []


def test_what_cannot_be_undone_stays_held_and_the_rest_is_undone(leases: Leases) -> None:
    def fails() -> None:
        raise PermissionError("not permitted")

    leases.take(CUT, Term(30, 600), fails)
    leases.take(PAUSE, Term(30, 600), lambda: None)
    with pytest.raises(FaultError, match="not undone: cut of cafe: not permitted"):
        leases.heal("asked")
    assert leases.holds() == [CUT]
    assert [healed.what for healed in leases.healed] == ["pause"]


def test_whoever_comes_after_reads_what_was_held(leases: Leases, tmp_path: Path) -> None:
    leases.take(CUT, Term(30, 600), lambda: None)
    leases.take(PAUSE, Term(30, 600), lambda: None)
    assert list(Leases(tmp_path).left_behind()) == [CUT, PAUSE]
    leases.heal("asked")
    assert list(Leases(tmp_path).left_behind()) == []


def test_a_cut_replaces_another_of_its_namespace(leases: Leases) -> None:
    newer = Hold("beef", CUT.namespace, "cut")
    leases.take(CUT, Term(30, 600), lambda: None)
    leases.take(PAUSE, Term(30, 600), lambda: None)
    leases.take(newer, Term(30, 600), lambda: None)

    assert leases.holds() == [PAUSE, newer]
