"""How figures, claims and judgements are said."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.analysis import wording
from chaos.analysis.interval import Interval
from chaos.analysis.result import Milestone, State, TargetResult
from chaos.analysis.wording import plural, seconds_text, spread_text
from tests.report.results import target


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


def said(text: str) -> str:
    return wording.breakable(text)


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        (Interval(51.95, 52.03), "51.99 ± 0.04 s"),
        (Interval(0.0, 0.001), "0.00 ± 0.01 s"),
        (Interval(5.0, 5.0), "5.00 ± 0.00 s"),
        (Interval(90.0), "> 90.00 s"),
        (Interval(1234.0, 1234.02), "1 234.01 ± 0.01 s"),
        (None, "–"),
    ],
)
def test_a_span_is_said_with_its_error_and_one_without_an_end_is_censored(measured, text):
    assert said(wording.span(measured)) == text


def test_an_error_is_never_rounded_down():
    assert wording.error(Interval(0.0, 0.0401)) == 0.03


def test_a_rounded_zero_has_no_minus():
    assert wording.number(-0.001) == "0.00"
    assert wording.number(-0.02) == "-0.02"


@pytest.mark.parametrize(
    ("held", "mark"),
    [
        (target(15, 51.99), ("✗", "late 36.99", "bad")),
        (target(15, 6.5), ("✓", "early 8.50", "good")),
        (target(15, None), ("✗", "false", "bad")),
        (replace(target(15, 90), measured=Interval(180.0)), ("✗", "not within the trial", "bad")),
        (
            replace(target(15, 15), verdict="undecided"),
            ("?", "undecided: the limit lies within the error of the measurement", "open"),
        ),
        (
            replace(target(15, 9), verdict="undecided", measured=Interval(9.0)),
            ("?", "undecided: it was not over when the trial stopped watching, before the limit", "open"),
        ),
        (
            replace(target(15, None), verdict="undecided", why="there was no audit"),
            ("?", "undecided: there was no audit", "open"),
        ),
        (replace(target(15, 15), verdict="not-applicable"), ("–", "not applicable", "plain")),
        (replace(target(15, None), verdict="pass"), ("✓", "no outage", "good")),
    ],
)
def test_a_target_is_judged_by_sign_word_and_tone(held, mark):
    judged = wording.judged(held)
    assert (judged.sign, said(judged.text), judged.tone) == mark


def test_losses_are_counted_not_timed():
    held = TargetResult(limit=0, measured=Interval.at(3), verdict="fail", gate=False)
    assert wording.judged(held, "lost_after").text == "lost"
    assert wording.limit(held, "lost_after") == "0"
    assert wording.measured(held, "lost_after") == "3"
    assert wording.judged(held, "failovers").text == "not as expected"


def test_a_control_is_promised_no_outage():
    held = TargetResult(limit=0, verdict="pass", gate=True)
    assert wording.limit(held, "recovery") == "no outage"
    assert wording.judged(held, "recovery").text == "no outage"


@pytest.mark.parametrize(
    ("milestone", "text"),
    [
        (Milestone.seen(Interval(5.4, 5.5), "", ""), "5.45 ± 0.05 s"),
        (Milestone(state=State.NOT_YET, limit_s=180.0), "> 180.00 s"),
        (Milestone(state=State.NOT_APPLICABLE), "not applicable"),
        (Milestone(state=State.UNOBSERVED), "unobserved"),
    ],
)
def test_a_milestone_that_was_not_seen_says_why(milestone, text):
    assert said(wording.milestone(milestone)) == text


@pytest.mark.parametrize(
    ("sentence", "behind_a_colon"),
    [
        ("With one replica left, writes are refused.", "with one replica left, writes are refused."),
        ("A failover is given up.", "a failover is given up."),
        ("Sentinel waits longer.", "Sentinel waits longer."),
        ("NOREPLICAS is said.", "NOREPLICAS is said."),
        ("Memory.", "memory."),
    ],
)
def test_behind_a_colon_only_a_name_has_a_capital(sentence: str, behind_a_colon: str):
    assert wording.continued(sentence) == behind_a_colon


def test_a_whole_number_has_its_thousands_apart_in_every_sentence():
    assert said(plural(41627, "write")) == "41 627 writes"
    assert said(wording.counted(Interval(3, 1005))) == "3 to 1 005"


PHRASING = [
    *(Path(wording.__file__).parent / f"{name}.py" for name in ("cause", "headline", "verdict")),
    *(Path(wording.__file__).parents[1] / "report").glob("*.py"),
]
"""What phrases figures; svg.py and figures.py write coordinates."""


@pytest.mark.parametrize("path", PHRASING, ids=lambda path: path.stem)
def test_no_other_module_of_a_report_formats_a_figure_itself(path: Path):
    """Otherwise one figure is rounded in two ways, and only one of them says its thousands apart."""
    own = re.compile(r"\{[^{}]*:[^{}]*(?:\.\d+f|,|[^\w]g)\}|:g\}|:\.\d+[fg%]\}")
    assert path.stem in ("svg", "figures") or own.findall(path.read_text()) == []


def test_what_was_set_has_no_zeros_that_say_nothing():
    assert [wording.brief(value) for value in (15.0, 0.25, 100.0, 0.0)] == ["15", "0.25", "100", "0"]
    assert wording.percent(0.876) == "88 %"


def test_of_several_that_were_not_over_the_longest_is_told() -> None:
    assert spread_text([Interval.at(2.0), Interval(3.0), Interval(9.0)]) == "2.0 to > 9.0 s"
