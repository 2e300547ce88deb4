"""The worst trial on one time axis, as values: what figures.py draws and the page repeats as a table.

Places what the recording says; it decides nothing. Seconds count from t = 0. Operations are gathered into cells of
time, so that a picture of a million of them stays small; every failed one is in failed-operations.csv.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

CELLS = 480
"""Cells of the axis for what is drawn as runs and curves."""
MARKS = 110
"""Cells for what is drawn as single shapes."""


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch in which something held. `ink` names a colour of the palette."""

    start_s: float
    end_s: float
    text: str
    ink: str


@dataclass(frozen=True, slots=True)
class Lane:
    title: str
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Operations:
    """One path's operations. `good` and `stray` are runs, the rest are the middles of the cells that hold some.

    `stray` are good answers by another node than the one that is master in the end.
    """

    title: str
    good: tuple[tuple[float, float], ...]
    stray: tuple[tuple[float, float], ...]
    bad: dict[str, tuple[float, ...]]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Curve:
    """`middle` and `worst` of each cell, in ms."""

    at_s: Floats
    middle: Floats
    worst: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    title: str
    description: str
    start_s: float
    end_s: float
    band: tuple[float, float]
    limits: tuple[float, ...]
    faults: Lane
    sentinel: tuple[Mark, ...]
    states: tuple[Lane, ...]
    operations: tuple[Operations, ...]
    latency: Curve
    lag: Curve


def operations(
    title: str, at_s: Floats, kinds: dict[str, npt.NDArray[np.bool_]], axis: tuple[float, float]
) -> Operations:
    """A path's operations by kind: good, stray, and the kinds that are drawn as single shapes."""
    inside = (at_s >= axis[0]) & (at_s < axis[1])
    runs = {name: _runs(at_s[kinds[name] & inside], axis) for name in ("good", "stray")}
    bad = {name: _middles(at_s[mask & inside], axis) for name, mask in kinds.items() if name not in runs}
    counts = {name: int(np.count_nonzero(mask & inside)) for name, mask in kinds.items()}
    return Operations(title, runs["good"], runs["stray"], bad, counts)


def curve(at_s: Floats, value: Floats, axis: tuple[float, float], cells: int = CELLS) -> Curve:
    """Middle and worst of the values of each cell; cells without any are NaN, and break the line."""
    width = (axis[1] - axis[0]) / cells
    inside = (at_s >= axis[0]) & (at_s < axis[1])
    cell = ((at_s[inside] - axis[0]) / width).astype(np.int64)
    order = np.lexsort((value[inside], cell))
    cell, ordered = cell[order], value[inside][order]
    found, starts, counts = np.unique(cell, return_index=True, return_counts=True)
    middle, worst = np.full(cells, np.nan), np.full(cells, np.nan)
    middle[found], worst[found] = ordered[starts + counts // 2], ordered[starts + counts - 1]
    return Curve(axis[0] + (np.arange(cells, dtype=np.float64) + 0.5) * width, middle, worst)


def runs(changes: list[tuple[float, str, str]], end_s: float) -> tuple[Run, ...]:
    """Runs from changes (at, text, ink), each until the next; an empty text is a gap, an equal one no change."""
    found: list[Run] = []
    for (at, text, ink), (until, *_) in zip(changes, [*changes[1:], (end_s, "", "")], strict=True):
        if found and found[-1].text == text and found[-1].end_s == at:
            found[-1] = Run(found[-1].start_s, until, text, ink)
        elif text and until > at:
            found.append(Run(at, until, text, ink))
    return tuple(found)


def _runs(at_s: Floats, axis: tuple[float, float]) -> tuple[tuple[float, float], ...]:
    """The stretches of cells that hold any, one after the other."""
    width = (axis[1] - axis[0]) / CELLS
    cells = np.unique(((at_s - axis[0]) / width).astype(np.int64))
    parts = np.split(cells, np.flatnonzero(np.diff(cells) > 1) + 1) if len(cells) else []
    return tuple((axis[0] + part[0] * width, axis[0] + (part[-1] + 1) * width) for part in parts)


def _middles(at_s: Floats, axis: tuple[float, float]) -> tuple[float, ...]:
    width = (axis[1] - axis[0]) / MARKS
    cells = np.unique(((at_s - axis[0]) / width).astype(np.int64))
    return tuple(float(at) for at in axis[0] + (cells + 0.5) * width)
