"""Small words that the sentences about trials share."""

import pytest

from chaos.analysis.result import Measured
from chaos.analysis.wording import spread_text


@pytest.mark.parametrize(
    ("lengths", "text"),
    [
        ([None], ""),
        ([(50.8, 51.0)], "50.9 s"),
        ([(50.8, 51.0), (53.0, 53.2)], "50.9 to 53.1 s"),
        ([(90.0, None)], "> 90.0 s"),
        ([(90.0, None), (90.2, None)], "> 90.0 s"),
        ([(50.8, 51.0), (90.2, None)], "50.9 to > 90.2 s"),
    ],
)
def test_what_was_not_over_is_told_as_more_than_its_least(lengths: list[Measured | None], text: str) -> None:
    assert spread_text(lengths) == text
