"""failed-operations.csv and its groups."""

import csv
import io
from dataclasses import replace

import pytest

from chaos.analysis.history import History
from chaos.model import ErrorCode, Outcome
from chaos.report.evidence import HEAD, as_csv, failures, grouped, groups
from tests.recordings import Story, delete_master, write_trial


def story() -> Story:
    told = Story(length_s=20.0).fault("crash")
    return (
        told.out("service", 1.0, 2.0, error=ErrorCode.REFUSED, connection="new")
        .out("service", 3.0, 3.5, outcome=Outcome.UNKNOWN, error=ErrorCode.REPLY_TIMEOUT, connection="kept")
        .out("service", 5.0, 5.2, outcome=Outcome.OK, error=ErrorCode.NONE, takes_s=0.25, connection="kept")
        .out("sentinel", 6.0, 6.1, outcome=Outcome.MISSED, error=ErrorCode.NONE, connection="new")
    )


@pytest.fixture
def table(tmp_path):
    return failures(History.load(write_trial(story(), tmp_path)), 7)


def test_every_operation_that_was_not_good_in_time_is_a_line(table):
    lines = list(csv.DictReader(io.StringIO((HEAD + as_csv(table)).decode())))
    by_outcome = {
        name: sum(line["outcome"] == name for line in lines) for name in ("failed", "unknown", "late", "missed")
    }
    assert by_outcome == {"failed": 50, "unknown": 25, "late": 10, "missed": 5}
    assert {line["trial"] for line in lines} == {"7"}
    assert lines[0]["error"] == "REFUSED"
    assert 1.0 <= float(lines[0]["at_s"]) < 1.03


def test_who_answered_is_a_member_by_its_run_id(tmp_path):
    """A Service's address says nothing of who was behind it."""
    history = History.load(write_trial(delete_master(), tmp_path))
    names = {line[-1] for line in failures(history, 0)}
    assert names == {"", "rfr-redis-cluster-0"}


def test_a_trial_whose_fault_had_no_effect_has_its_failures_too(tmp_path):
    told = Story(length_s=20.0).out("service", 1.0, 2.0, connection="new")
    assert len(failures(History.load(write_trial(told, tmp_path)), 0)) == 50


def test_groups_say_when_and_whom(table):
    found = {(row[1], row[2], row[3]): row for row in grouped([groups(table)])}
    refused = found["service/new", "failed", "refused"]
    assert refused[5] == "50"
    assert float(refused[6]) == pytest.approx(1.0, abs=0.03)
    assert refused[4] == "10.96.71.10:6379"


def test_many_trials_are_told_together_by_what_their_operations_met(table):
    many = [[replace(one, trial=number) for one in groups(table)] for number in range(20)]
    [refused] = [row for row in grouped(many) if row[3] == "refused"]
    assert refused[:6] == ("0–19", "service/new", "failed", "refused", "10.96.71.10:6379", "1\N{NO-BREAK SPACE}000")


def test_a_trial_without_failures_leaves_no_line(tmp_path):
    quiet = failures(History.load(write_trial(Story().fault("crash"), tmp_path)), 0)
    assert HEAD == b"trial,path,client,seq,at_s,sent_after_ms,decided_after_ms,outcome,error,asked,answered\n"
    assert as_csv(quiet) == b""
    assert grouped([groups(quiet)]) == []
