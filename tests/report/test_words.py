"""How figures are said."""

from dataclasses import replace

import pytest

from chaos.analysis.interval import Interval
from chaos.analysis.result import Milestone, State, TargetResult
from chaos.report import words
from tests.report.results import target


def said(text: str) -> str:
    return words.breakable(text)


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
    assert said(words.span(measured)) == text


def test_an_error_is_never_rounded_down():
    assert words.error(Interval(0.0, 0.0401)) == 0.03


def test_a_rounded_zero_has_no_minus():
    assert words.number(-0.001) == "0.00"
    assert words.number(-0.02) == "-0.02"


@pytest.mark.parametrize(
    ("held", "mark"),
    [
        (target(15, 51.99), ("✗", "late 36.99", "bad")),
        (target(15, 6.5), ("✓", "early 8.50", "good")),
        (target(15, None), ("✗", "false", "bad")),
        (replace(target(15, 90), measured=Interval(180.0)), ("✗", "not within the trial", "bad")),
        (replace(target(15, 15), verdict="undecided"), ("?", "undecided", "open")),
        (replace(target(15, 15), verdict="not-applicable"), ("–", "not applicable", "plain")),
        (replace(target(15, None), verdict="pass"), ("✓", "no outage", "good")),
    ],
)
def test_a_target_is_judged_by_sign_word_and_tone(held, mark):
    judged = words.judged(held)
    assert (judged.sign, said(judged.text), judged.tone) == mark


def test_losses_are_counted_not_timed():
    held = TargetResult(limit=0, measured=Interval.at(3), verdict="fail", gate=False)
    assert words.judged(held, "lost_after").text == "lost"
    assert words.limit(held, "lost_after") == "0"
    assert words.measured(held, "lost_after") == "3"
    assert words.judged(held, "failovers").text == "not as expected"


def test_a_control_is_promised_no_outage():
    held = TargetResult(limit=0, verdict="pass", gate=True)
    assert words.limit(held, "recovery") == "no outage"
    assert words.judged(held, "recovery").text == "no outage"


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
    assert said(words.milestone(milestone)) == text
