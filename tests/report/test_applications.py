"""The table of application clients, on the terminal and in every report."""

from typing import Any

from chaos.analysis.interval import Interval
from chaos.analysis.result import Tasks
from chaos.analysis.wording import breakable
from chaos.clock import AGENT
from chaos.model import ErrorCode, Outcome
from chaos.report.closing import application_lines
from chaos.report.details import APPLICATION_TITLES, application_rows, tasks_text
from tests.analysis.conftest import Analysed, analysed
from tests.recordings import kill_master

__all__ = ["analysed"]


def test_a_row_says_what_a_client_is_and_what_it_met(analysed: Analysed):
    hangs = {"outcome": Outcome.IN_FLIGHT, "error": ErrorCode.NONE, "takes_s": 99.0}
    app = {"library": "celery 5.6.3, socket_timeout none", "settings": {"socket_timeout": None}}
    story = kill_master(paths=("service", "app"), back_s=9.0, app=app).out("app", 9.0, 99.0, **hangs)
    number = next(client.number for client in story.clients if client.path == "app")
    story.event("application.errors", 9.0, AGENT, client=number, counts={"TimeoutError": 2})
    trial = analysed(story)
    [cells] = application_rows(trial.paths.values())
    row = dict(zip(APPLICATION_TITLES, map(breakable, cells), strict=True))
    assert row["client"] == "app"
    assert row["library"] == "celery 5.6.3"
    assert row["time-outs and retries"] == "socket_timeout none"
    assert row["outage"].startswith("> 4")
    assert row["longest call"].startswith("> 3")
    assert row["errors"] == "2 TimeoutError"
    assert row["at the end"] == "a call had not ended"
    lines = [breakable(line) for line in application_lines(trial, 100)]
    assert lines[0].split() == ["client", "library", "outage", "longest", "call", "errors"]
    assert any("at the end: a call had not ended" in line for line in lines)
    assert max(map(len, lines)) <= 110


def test_without_application_clients_there_is_no_table(analysed: Analysed):
    trial = analysed(kill_master(paths=("service",)))
    assert application_rows(trial.paths.values()) == []
    assert application_lines(trial, 100) == []


def test_tasks_are_counted_in_a_line():
    some: dict[str, Any] = {"accepted": 9, "done": 6, "twice": 1, "stuck": 1}
    never = Tasks(**some, after=5, lost=2, out_s=Interval(9.0), back_s=Interval(20.0))
    assert tasks_text(never) == "6 of 9 done, 2 lost, 1 twice, 1 stuck; the worker never came back"
    back = Tasks(**some, after=5, lost=None, out_s=Interval.at(9.0), back_s=Interval.at(12.5))
    assert "the broker could not be asked" in tasks_text(back)
    assert breakable(tasks_text(back)).endswith("the worker was back at 12.50 s")
    assert tasks_text(Tasks(**some, after=0, lost=0)).endswith("none was handed over after the fault")
    assert tasks_text(Tasks(**some, after=3, lost=0)).endswith("the worker did not pause")
    ended = Tasks(**some, after=3, lost=0, unknown=2, ended="ReadOnlyError: no writes", ended_s=4.25)
    assert breakable(tasks_text(ended)) == (
        "6 of 9 done, 0 lost, 1 twice, 1 stuck, 2 without a result; "
        "the worker ended at 4.2 s with ReadOnlyError: no writes"
    )
    assert tasks_text(None) == "–"
