"""How figures are written."""

import pytest

from chaos.analysis.interval import Interval
from chaos.analysis.wording import plural, seconds_text, spread_text


@pytest.mark.parametrize(
    ("lengths", "text"),
    [
        ([None], ""),
        ([Interval(50.8, 51.0)], "50.9 s"),
        ([Interval(50.8, 51.0), Interval(53.0, 53.2)], "50.9 to 53.1 s"),
        ([Interval(90.0)], "> 90.0 s"),
        ([Interval(90.0), Interval(90.2)], "> 90.0 s"),
        ([Interval(50.8, 51.0), Interval(90.2)], "50.9 to > 90.2 s"),
    ],
)
def test_what_was_not_over_is_told_as_more_than_its_least(lengths: list[Interval | None], text: str) -> None:
    assert spread_text(lengths) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(Interval(6.4, 6.52), "6.4 to 6.5 s"), (Interval(6.41, 6.42), "6.4 s"), (Interval(60.04), "> 60.0 s")],
)
def test_an_interval_in_words(value: Interval, text: str) -> None:
    assert seconds_text(value) == text


def test_one_is_not_several() -> None:
    assert (plural(1, "trial"), plural(3, "trial")) == ("1 trial", "3 trials")
