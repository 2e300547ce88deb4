"""What a path is called before a fault, from what its clients did; and what is told of it afterwards."""

import pytest

from chaos.experiment.paths import Baseline


@pytest.mark.parametrize(
    ("good", "bad", "late", "works", "is_late"),
    [
        (1000, 0, 0, True, False),
        (0, 1000, 0, False, False),
        (340, 660, 0, False, False),
        (998, 2, 2, True, False),
        (990, 10, 10, True, True),
        (600, 400, 400, False, True),
        (0, 1000, 1000, False, False),
    ],
    ids=["all good", "never", "one pod of three", "a hiccup", "late", "very late", "a black hole"],
)
def test_a_baseline_works_or_not_and_is_late_or_not(good: int, bad: int, late: int, works: bool, is_late: bool) -> None:
    """Only what answers, but not in time, is helped by a longer deadline."""
    found = Baseline(good, bad, late, "reply timeout")

    assert (found.works, found.is_late) == (works, is_late)


def test_the_sentence_says_which_kind_of_broken() -> None:
    assert Baseline(0, 240, 0, "name not found").sentence == "never worked: name not found"
    assert (
        Baseline(80, 160, 0, "readonly").sentence == "is unreliable: 33% of its operations were good, others readonly"
    )
