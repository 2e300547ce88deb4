"""The moment of a fault as an experiment writes it."""

from collections import Counter

import pytest

from chaos.fault.aim import Moment, published


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("+odown", Moment("+odown")),
        ("2 s after +odown", Moment("+odown", after_s=2)),
        ("promotion", Moment("promotion")),
        ("0.5 s after promotion", Moment("promotion", after_s=0.5)),
        ("tick", Moment("tick")),
        ("12 s after tick", Moment("tick", after_s=12)),
        ("5 s", Moment(after_s=5)),
        ("within 10 s", Moment(within_s=10)),
    ],
)
def test_it_is_an_event_an_offset_both_or_random(text: str, moment: Moment) -> None:
    assert Moment.parse(text) == moment


@pytest.mark.parametrize("text", ["odown", "5", "after +odown", "within 5 s after +odown", "5 s +odown", "ticks"])
def test_what_is_no_moment_is_refused_with_what_can_be_written(text: str) -> None:
    with pytest.raises(ValueError, match="is no moment; write"):
        Moment.parse(text)


def test_a_random_moment_follows_from_the_seed_alone() -> None:
    moment = Moment(within_s=10)
    assert moment.random_s(1) == moment.random_s(1) != moment.random_s(2)
    assert all(0 <= moment.random_s(seed) <= 10 for seed in range(50))


def test_an_event_counts_whichever_sentinel_publishes_it() -> None:
    said = Counter({("a", "+odown"): 1, ("b", "+odown"): 2, ("a", "+sdown"): 4})
    assert published(said, "+odown") == 3
