"""The table of application clients: what each is, how long it waits and retries, and what it met."""

from collections.abc import Iterable

from chaos.analysis import wording
from chaos.analysis.result import PathResult, Tasks, TrialResult

TITLES = (
    "client",
    "library",
    "time-outs and retries",
    "outage",
    "longest call",
    "errors",
    "at the end",
    "tasks",
)
Row = tuple[str, ...]


def application_rows(paths: Iterable[PathResult]) -> list[Row]:
    """Return a row for each path of application clients, in the scenario's order."""
    return [_row(path) for path in paths if path.calls]


def _row(path: PathResult) -> Row:
    assert path.calls is not None
    settings = ", ".join(f"{name} {value or 'none'}" for name, value in path.calls.settings.items())
    return (
        path.name.removesuffix("/kept"),
        path.calls.library or path.about,
        settings or "not told",
        wording.span(path.outage_s, none=f"{path.state}: {path.state_why}" if path.state != "works" else "none"),
        wording.longest_call(path),
        ", ".join(f"{wording.count(count)} {name}" for name, count in _errors(path).items()) or "none",
        _at_end(path),
        tasks_text(path.calls.tasks),
    )


def _errors(path: PathResult) -> dict[str, int]:
    """Return the errors by the classes of the library if the client reported them, as ours do, or else by our codes."""
    return path.calls.classes if path.calls and path.calls.classes else path.errors


def _at_end(path: PathResult) -> str:
    if path.calls and path.calls.gone:
        return path.calls.gone
    if path.calls and path.calls.hung:
        return "a call had not ended"
    if path.never_again:
        return f"never again: {path.never_again}"
    return {"works": "works", "out": "out", "unknown": "–"}[path.at_end]


def tasks_text(tasks: Tasks | None) -> str:
    """Format what became of a worker's tasks.

    Example: `190 of 200 done, 10 lost, 0 twice, 0 stuck, 2 without a result; the worker was back at 12.31 s`.
    """
    if tasks is None:
        return "–"
    lost = "lost: the broker could not be asked" if tasks.lost is None else f"{wording.count(tasks.lost)} lost"
    done = f"{wording.count(tasks.done)} of {wording.count(tasks.accepted)} done"
    counted = f"{done}, {lost}, {wording.count(tasks.twice)} twice, {wording.count(tasks.stuck)} stuck"
    if tasks.unknown is not None:
        counted += f", {wording.count(tasks.unknown)} without a result"
    if tasks.ended_s is not None:
        return f"{counted}; the worker ended at {wording.seconds(tasks.ended_s, 1)} with {tasks.ended}"
    if tasks.after == 0:
        return f"{counted}; none was handed over after the fault"
    if tasks.back_s is None:
        return f"{counted}; the worker did not pause"
    if tasks.back_s.is_open:
        return f"{counted}; the worker never came back"
    return f"{counted}; the worker was back at {wording.seconds(tasks.back_s.middle, 2)}"


def table_lines(trial: TrialResult, width: int) -> list[str]:
    """Return the table as lines of text: what each client met in columns, and under it what it told of itself."""
    rows = application_rows(trial.paths.values())
    if not rows:
        return []
    shown = [(name, library, outage, call, errors) for name, library, _, outage, call, errors, *_ in rows]
    titles = ("client", "library", "outage", "longest call", "errors")
    widths = [max(len(row[index]) for row in (titles, *shown)) for index in range(4)]
    lines = [_columns(titles, widths)]
    for row, (*_, settings, _outage, _call, _errors, end, tasks) in zip(shown, rows, strict=True):
        lines.append(_columns(row, widths))
        more = [settings, *([f"at the end: {end}"] if end != "works" else []), *([tasks] if tasks != "–" else [])]
        lines += [f"{'':<4}{line}" for line in wording.wrapped(" · ".join(more), width - 4)]
    return lines


def _columns(row: Row, widths: list[int]) -> str:
    return "  ".join([*(f"{text:<{wide}}" for text, wide in zip(row, widths, strict=False)), row[-1]])
