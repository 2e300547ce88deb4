"""One trial as a trace for https://ui.perfetto.dev and speedscope: `traces/trial-000.json` beside the report.

The format is Chrome's JSON. Faults, paths, members and Sentinels are a process each, which has a thread for each of
them. Microseconds count from the first event, and a mark shows t = 0. Operations are counted by path in cells of 100
ms. Every single operation is in the trial's folder.
"""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from chaos.analysis.history import History
from chaos.analysis.result import PathResult, TrialResult
from chaos.record.events import Endpoints, SentinelSaid
from chaos.report.timeline import Lane, extent, kinds, lanes, sent_by

CELL_S = 0.1
FAULTS, PATHS, MEMBERS, SENTINELS, LOAD = range(1, 6)
NAMES = {FAULTS: "faults", PATHS: "paths", MEMBERS: "who is what", SENTINELS: "Sentinels", LOAD: "operations in 100 ms"}
Row = dict[str, Any]


def trace(history: History, trial: TrialResult) -> bytes:
    """Return the trace of a trial. It has no events if no fault took effect, since there is no axis then."""
    rows = list(_rows(history, trial)) if history.effect_s is not None and len(history.ops) else []
    first_s = min((row["ts"] for row in rows if "ts" in row), default=0.0)
    for row in rows:
        if "ts" in row:
            begin_us, end_us = (round(1e6 * (row["ts"] + more_s - first_s)) for more_s in (0.0, row.get("dur", 0.0)))
            row["ts"] = begin_us
            if "dur" in row:  # the ends are rounded, and not the length: Perfetto drops a slice that overlaps by 1 µs
                row["dur"] = max(1, end_us - begin_us)
    about = {"trial": trial.number, "experiment": trial.experiment, "t0": trial.t0, "verdict": str(trial.verdict)}
    return json.dumps({"traceEvents": rows, "otherData": about}, separators=(",", ":"), ensure_ascii=False).encode()


def _rows(history: History, trial: TrialResult) -> Iterator[Row]:
    for number, name in NAMES.items():
        yield {"ph": "M", "pid": number, "name": "process_name", "args": {"name": name}}
    yield _instant(FAULTS, "t = 0", 0.0, 1, "g")
    axis = extent(history, trial)
    faults, states = lanes(history, trial, axis)
    yield from _lanes(FAULTS, [faults])
    yield from _lanes(MEMBERS, states)
    for number, path in enumerate(trial.paths.values(), start=1):
        yield from _path(number, path, axis[1])
    said = history.facts(SentinelSaid)
    names = {name: number for number, name in enumerate(sorted({one.event.sentinel for one in said}), start=1)}
    for name, number in names.items():
        yield _thread(SENTINELS, number, name)
    for one in said:
        about = {"payload": one.event.payload}
        yield _instant(SENTINELS, one.event.channel, one.latest_s, names[one.event.sentinel], "t") | {"args": about}
    for slices in history.facts(Endpoints):
        named = {"endpoints": slices.event.endpoints}
        yield _instant(MEMBERS, f"slices of {slices.event.service}", slices.latest_s, 1, "p") | {"args": named}
    yield from _load(history, axis)


def _path(number: int, path: PathResult, end_s: float) -> Iterator[Row]:
    """Yield a path's durable windows, and the phases within the first one, as nested slices of one thread."""
    yield _thread(PATHS, number, path.name)
    for window in path.windows:
        if window.kind == "durable":
            start_s = window.onset_s.middle
            until_s = end_s if window.end_s is None else window.end_s.middle
            over = "not over" if window.end_s is None else "outage"
            about = {"length_s": [window.length_s.least, None if window.length_s.is_open else window.length_s.most]}
            yield _slice(PATHS, number, f"{over}, {window.when}", start_s, until_s) | {"args": about | window.errors}
            for phase in window.phases:
                yield _slice(PATHS, number, phase.name, max(start_s, phase.start_s), min(phase.end_s, until_s))


def _load(history: History, axis: tuple[float, float]) -> Iterator[Row]:
    """Yield the good and the other operations of each path in each cell, as counters.

    A cell that equals the one before is left out.
    """
    edges = np.arange(axis[0], axis[1] + CELL_S, CELL_S)
    good = kinds(history)["good"]
    for path, clients in history.clients_by_path.items():
        mine = sent_by(history, clients)
        counts = [np.histogram(history.ops.due_s[mine & mask], edges)[0].tolist() for mask in (good, ~good)]
        before = None
        for at_s, *both in zip(edges.tolist(), *counts, strict=False):
            if both != before:
                yield {"ph": "C", "pid": LOAD, "name": path, "ts": at_s, "args": {"good": both[0], "not good": both[1]}}
            before = both


def _lanes(process: int, each: list[Lane]) -> Iterator[Row]:
    for number, lane in enumerate(each, start=1):
        yield _thread(process, number, lane.title)
        for run in lane.runs:
            yield _slice(process, number, run.text, run.start_s, run.end_s)


def _thread(process: int, number: int, name: str) -> Row:
    return {"ph": "M", "pid": process, "tid": number, "name": "thread_name", "args": {"name": name}}


def _slice(process: int, thread: int, name: str, start_s: float, end_s: float) -> Row:
    return {"ph": "X", "pid": process, "tid": thread, "name": name, "ts": start_s, "dur": max(0.0, end_s - start_s)}


def _instant(process: int, name: str, at_s: float, thread: int, scope: str) -> Row:
    return {"ph": "i", "pid": process, "tid": thread, "name": name, "ts": at_s, "s": scope}
