"""A trial as a trace: what Perfetto needs of it, and that it says what the recording says."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from chaos.analysis.history import History
from chaos.analysis.trial import analyse_trial
from chaos.report.trace import LOAD, NAMES, PATHS, SENTINELS, trace
from chaos.scenario.lookup import shipped
from tests.recordings import Story, kill_master, write_trial


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[History, dict[str, Any]]:
    directory = write_trial(kill_master(back_s=51.9), tmp_path_factory.mktemp("trace"))
    history = History.load(directory)
    return history, json.loads(trace(history, analyse_trial(directory)))


def of(rows: list[dict[str, Any]], phase: str, process: int) -> list[dict[str, Any]]:
    return [row for row in rows if row["ph"] == phase and row["pid"] == process]


def test_every_event_has_what_perfetto_needs(told):
    rows = told[1]["traceEvents"]
    assert {row["args"]["name"] for row in rows if row["name"] == "process_name"} == set(NAMES.values())
    placed = [row for row in rows if row["ph"] != "M"]
    assert min(row["ts"] for row in placed) == 0
    assert all(isinstance(row["ts"], int) for row in placed)
    assert all(row["dur"] > 0 for row in placed if row["ph"] == "X")


def test_the_slices_of_a_thread_nest(told):
    nest(told[1]["traceEvents"])


@pytest.mark.parametrize("number", [0, 1])
def test_the_slices_of_the_sample_nest(number: int):
    nest(json.loads((shipped() / f"reports/sample/traces/trial-{number:03d}.json").read_text())["traceEvents"])


def nest(rows: list[dict[str, Any]]) -> None:
    """Perfetto drops a slice that overlaps another one of its thread, by however little."""
    for process in NAMES:
        threads: dict[int, list[dict[str, Any]]] = {}
        for row in of(rows, "X", process):
            threads.setdefault(row["tid"], []).append(row)
        for mine in threads.values():
            open_until: list[int] = []
            for row in sorted(mine, key=lambda row: (row["ts"], -row["dur"])):
                while open_until and open_until[-1] <= row["ts"]:
                    open_until.pop()
                assert not open_until or row["ts"] + row["dur"] <= open_until[-1]
                open_until.append(row["ts"] + row["dur"])


def test_a_path_has_its_outage_and_its_phases_on_one_thread(told):
    rows = told[1]["traceEvents"]
    [service] = [row["tid"] for row in of(rows, "M", PATHS) if row["args"]["name"] == "service/new"]
    outage, *phases = [row for row in of(rows, "X", PATHS) if row["tid"] == service]
    assert outage["name"] == "outage, fault"
    assert outage["dur"] / 1e6 == pytest.approx(51.9, abs=0.3)
    assert [row["name"] for row in phases][:2] == ["detection", "quorum"]
    assert all(first["ts"] <= second["ts"] for first, second in pairwise(phases))


def test_sentinels_speak_at_their_own_threads_and_t_0_is_marked(told):
    rows = told[1]["traceEvents"]
    [zero] = [row for row in rows if row["name"] == "t = 0"]
    sdown = next(row for row in of(rows, "i", SENTINELS) if row["name"] == "+sdown")
    assert (sdown["ts"] - zero["ts"]) / 1e6 == pytest.approx(5.0, abs=0.6)
    assert sdown["args"]["payload"].startswith("master mymaster")


def test_operations_are_counted_by_path(told):
    counted = {row["name"] for row in of(told[1]["traceEvents"], "C", LOAD)}
    assert counted == set(told[0].clients_by_path)


def test_a_trial_without_a_fault_has_an_empty_trace(tmp_path: Path):
    directory = write_trial(Story(closed=None, audited=False), tmp_path)
    history = History.load(directory)
    assert history.effect_s is None
    assert json.loads(trace(history, analyse_trial(directory)))["traceEvents"] == []
