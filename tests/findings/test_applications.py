"""The setting that would have helped an application: each finding by a story that shows it, and one without it."""

from typing import Any

import pytest

from chaos.clock import AGENT
from chaos.model import ErrorCode, Outcome
from tests.analysis.conftest import Analysed, analysed
from tests.analysis.test_applications import tasks
from tests.findings.telling import names, the
from tests.recordings import Story, kill_master

__all__ = ["analysed"]

BACK: dict[str, Any] = {"paths": ("service", "app"), "back_s": 9.0}
WAITS = {"settings": {"socket_timeout": "5 s"}}


def of_app(story: Story) -> int:
    return next(client.number for client in story.clients if client.path == "app")


def test_an_application_whose_call_waited_on_after_its_address_was_back_is_told_a_shorter_time_out(analysed: Analysed):
    story = kill_master(**BACK, app=WAITS).out("app", 9.0, 14.0, takes_s=5.0, error=ErrorCode.REPLY_TIMEOUT)
    found = the(analysed(story), "an application came back late")
    assert "app/kept wrote again 5.0 s later than" in found.sentence
    assert "one call blocked for 5.0 s (socket_timeout 5 s)" in found.sentence
    assert "socket_timeout=1" in found.advice
    assert found.severity == "note"
    story.app = WAITS | {"gate": True}
    assert the(analysed(story), "an application came back late").severity == "slow"


def test_one_whose_calls_went_on_failing_is_told_to_connect_again(analysed: Analysed):
    story = kill_master(**BACK).out("app", 0.004, 9.0, takes_s=0.01).out("app", 9.0, 12.0, error=ErrorCode.READONLY)
    story.spells = [spell for spell in story.spells if spell.path != "app" or spell.takes_s < 1]
    found = the(analysed(story), "an application came back late")
    assert "its calls went on failing" in found.sentence
    assert "connect again when a connection is lost" in found.advice


def test_one_that_is_back_with_its_address_is_not_late(analysed: Analysed):
    assert "an application came back late" not in names(analysed(kill_master(**BACK)))


@pytest.mark.parametrize("counts", [{"TimeoutError": 2, "ConnectionError": 1}, {}])
def test_calls_that_failed_are_told_with_the_retries_that_would_have_carried_them(
    analysed: Analysed, counts: dict[str, int]
):
    story = kill_master(**BACK)
    if counts:
        story.event("application.errors", 9.0, AGENT, client=of_app(story), counts=counts)
    trial = analysed(story)
    if not counts:
        assert "calls that failed" not in names(trial)
        return
    found = the(trial, "calls that failed")
    assert "3 calls of app/kept failed (2 TimeoutError, 1 ConnectionError)" in found.sentence
    assert "Retry(ExponentialBackoff(cap=1, base=0.1), 12)" in found.advice  # 1.5 s by four retries, then 8 of a second


def test_an_application_without_time_outs_is_told_them_in_the_words_of_its_library(analysed: Analysed):
    hangs = {"outcome": Outcome.IN_FLIGHT, "error": ErrorCode.NONE, "takes_s": 99.0}
    story = kill_master(**BACK, app={"library": "celery 5.6.3", "settings": {"socket_timeout": None}})
    found = the(analysed(story.out("app", 9.0, 99.0, **hangs)), "a call without a time-out")
    assert 'broker_transport_options={"socket_connect_timeout": 1' in found.advice


@pytest.mark.parametrize(
    ("states", "says", "severity"),
    [
        ({3: ""}, "1 task lost", "lost"),
        ({3: "bdbd"}, "1 task done twice", "note"),
        ({3: "b", 4: "w"}, "2 tasks stuck at the end", "note"),
        ({}, "", ""),
    ],
)
def test_tasks_that_were_lost_done_twice_or_stuck_are_told(
    analysed: Analysed, states: dict[int, str], says: str, severity: str
):
    trial = analysed(tasks(Story(paths=("service", "app")).fault(), states))
    if not says:
        assert "tasks of a worker" not in names(trial)
        return
    found = the(trial, "tasks of a worker")
    assert says in found.sentence
    assert found.severity == severity
    assert ("task_acks_late" in found.advice) == ("twice" not in says)
