"""What became of the tasks that an application handed to a worker, and of the worker."""

from collections.abc import Iterable

import pytest

from chaos.analysis.result import Tasks, TrialResult
from chaos.analysis.wording import breakable
from chaos.clock import AGENT
from tests.analysis.conftest import Analysed
from tests.analysis.test_applications import tasks
from tests.recordings import Story


def story_with(states: dict[int, str], without_result: Iterable[int] = ()) -> Story:
    """Every task has a result but those that are not done, and `without_result`."""
    story = tasks(Story(paths=("service", "app")).fault(), states)
    app = number_of(story)
    load = story.load(next(client for client in story.clients if client.number == app))
    for seq in range(len(load.sent_s())):
        if "d" in states.get(seq, "d") and seq not in without_result:
            story.event("application.task", story.length_s, AGENT, client=app, task=seq, state="result")
    return story


def number_of(story: Story) -> int:
    return next(client.number for client in story.clients if client.path == "app")


def tasks_of(trial: TrialResult) -> Tasks:
    calls = trial.paths["app/kept"].calls
    assert calls is not None
    assert calls.tasks is not None
    return calls.tasks


def test_a_task_that_was_done_and_has_no_result_is_counted_as_such(analysed: Analysed):
    found = tasks_of(analysed(story_with({3: "w"}, without_result=(5, 6))))
    assert (found.unknown, found.lost, found.stuck) == (2, 0, 1)
    assert tasks_of(analysed(story_with({3: "w"}))).unknown == 0


def test_that_a_worker_ended_is_told_with_the_setting_that_would_have_kept_it(analysed: Analysed):
    story = story_with({3: "w"})
    story.event("application.worker", 3.5, AGENT, client=number_of(story), how="ReadOnlyError: no writes")
    trial = analysed(story)
    assert tasks_of(trial).ended == "ReadOnlyError: no writes"
    assert tasks_of(trial).ended_s == pytest.approx(3.5, abs=0.01)
    [found] = [one for one in trial.findings if one.name == "a worker ended"]
    assert "ended at 3.5 s with ReadOnlyError: no writes, and 1 task waited" in breakable(found.sentence)
    assert "broker_channel_error_retry=True" in found.advice
    assert "a worker ended" not in {one.name for one in analysed(story_with({3: "w"})).findings}
