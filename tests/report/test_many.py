"""Which trials, in few characters."""

import pytest

from chaos.report.many import numbers, some


@pytest.mark.parametrize(
    ("given", "text"), [([], ""), ([0, 1], "0, 1"), ([0, 1, 2], "0–2"), ([9, 3, 4, 5, 1], "1, 3–5, 9")]
)
def test_three_in_a_row_are_said_by_the_first_and_the_last(given: list[int], text: str):
    assert numbers(given) == text


def test_what_would_be_long_is_counted():
    assert some(list(range(0, 99, 2))) == "50 trials"
    assert some(list(range(99))) == "0–98"
