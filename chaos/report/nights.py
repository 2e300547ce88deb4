"""All nights on one static page, and the newest night for a dashboard: `failover history DIR`.

The page has no scripts and loads nothing. Each path has a picture and the same as a table: the range and the median of
every night, what was kept and lost, and where a step is. No server is needed.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from chaos import frames
from chaos.analysis import nights
from chaos.analysis.nights import Night, Series
from chaos.analysis.wording import seconds
from chaos.errors import SetupError
from chaos.frames import Table
from chaos.report.bars import ticks
from chaos.report.page import css, environment

PAGE, BENCHMARK, METRICS = "history.html", "benchmark.json", "metrics.txt"
WIDTH, HEIGHT, LEFT = 960, 150, 60
"""The size of a picture in its own units, and the space at its left for the axis of seconds."""


@dataclass(frozen=True, slots=True)
class Column:
    """One night in a picture.

    `open_end` is true if the path was never back in some trial, and `step` if times are different from this night on.
    `median` is None if it is such a trial, because it has no height then.
    """

    x: float
    least: float
    most: float
    median: float | None
    text: str
    open_end: bool
    step: bool


@dataclass(frozen=True, slots=True)
class Picture:
    series: Series
    columns: tuple[Column, ...]
    ticks: tuple[tuple[float, str], ...]
    band: tuple[float, float] | None

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A row of (night, n, least, median, most, kept, lost, step) for each night, the newest first."""
        steps = set(self.series.steps)
        return [_row(night, number in steps) for number, night in reversed([*enumerate(self.series.nights)])]

    @property
    def limits(self) -> str:
        found, since = self.series.limits_s, self.series.since_step
        if found is None:
            return "A single night that matches gives no limits."
        least, most = (_s(value) for value in found)
        return f"{least} to {most} in the {len(since)} nights since {since[0].day} that match."


def write(directory: Path, *, openmetrics: bool = False) -> Path:
    """Write the page, and beside it the newest night for dashboards. Return the page's path."""
    played = frames.load(directory)
    found = nights.with_steps(played)
    lacking = nights.lacking(played, found)
    newest = max([*played.folders, *lacking])
    page = directory / PAGE
    page.write_text(html(directory.resolve().name, found, lacking), encoding="utf-8")
    (directory / BENCHMARK).write_text(benchmark(found, newest), encoding="utf-8")
    if openmetrics:
        trials = played.trials[played.trials["campaign"] == newest]
        (directory / METRICS).write_bytes(metrics(found, newest, trials))
    return page


def html(name: str, found: Sequence[Series], lacking: Mapping[str, str]) -> str:
    """Return the page. `lacking` maps each night of which something is missing to a text that says what it is."""
    names = {night.campaign for one in found for night in one.nights} | set(lacking)
    template = environment().get_template("history.html")
    return template.render(
        name=name,
        newest=max(names),
        count=len(names),
        pictures=[picture(one) for one in sorted(found, key=lambda one: -len(one.nights))],
        one_in=nights.ONE_IN,
        lacking=lacking,
        size=(WIDTH, HEIGHT, LEFT),
        css=Markup(css()),
    )


def picture(one: Series) -> Picture:
    """Return the picture of a series, in its own units. A path that was never back reaches to the top."""
    values = [value for night in one.nights for value in night.back_s if math.isfinite(value)]
    axis_s = 1.08 * max([*values, 1.0])

    def y(seconds: float) -> float:
        return round(HEIGHT - 20 - (HEIGHT - 30) * min(seconds, axis_s) / axis_s, 1)

    room = (WIDTH - LEFT) / len(one.nights)
    columns = tuple(
        Column(
            x=round(LEFT + room * (number + 0.5), 1),
            least=y(min(night.back_s)),
            most=y(max(night.back_s)),
            median=y(night.median_s) if math.isfinite(night.median_s) else None,
            text=", ".join(_row(night, number in one.steps)),
            open_end=math.isinf(max(night.back_s)),
            step=number in one.steps,
        )
        for number, night in enumerate(one.nights)
    )
    marks = tuple((y(axis_s * percent / 100), text) for percent, text in ticks(axis_s)[::2])
    band = one.limits_s and (y(one.limits_s[1]), y(one.limits_s[0]))
    return Picture(one, columns, marks, band)


def benchmark(found: Sequence[Series], newest: str) -> str:
    """Return the newest night as github-action-benchmark reads it, `tool: customSmallerIsBetter`.

    It has no row if that night measured nothing: the action then fails, and does not take an older night for it.
    """
    rows: list[dict[str, object]] = []
    for one, night in _of(found, newest):
        spread = f"{_s(min(night.back_s))} to {_s(max(night.back_s))}"
        kept = f"{night.campaign}: {night.passed} of {night.known} kept their promises, {_lost(night)} writes lost"
        about = {"range": spread, "extra": kept}
        if math.isfinite(night.median_s):
            rows.append({"name": f"{one.title}, median", "unit": "s", "value": round(night.median_s, 3)} | about)
        never = sum(map(math.isinf, night.back_s))
        rows.append({"name": f"{one.title}, never back", "unit": "trials", "value": never} | about)
    return json.dumps(rows, indent=1, ensure_ascii=False) + "\n"


def metrics(found: Sequence[Series], newest: str, trials: Table) -> bytes:
    """Return the newest night as OpenMetrics. `trials` are those of that night.

    Raises SetupError if prometheus_client is not installed.
    """
    try:
        from prometheus_client import CollectorRegistry, Gauge
        from prometheus_client.openmetrics.exposition import generate_latest
    except ImportError:
        raise SetupError(
            "--openmetrics needs prometheus_client, which is not installed: pip install 'failover-harness[openmetrics]'"
        ) from None
    registry = CollectorRegistry()
    labels = ["scenario", "cluster", "experiment", "variant", "group", "path"]
    told = {
        "failover_back_seconds": ("When the path was back, in the median of the newest night's trials.", "median_s"),
        "failover_trials": ("Conclusive trials of the newest night.", "known"),
        "failover_trials_kept": ("Those of them that kept every promise.", "passed"),
        "failover_writes_lost": ("Acknowledged writes that were lost in the newest night.", "lost"),
    }
    for name, (about, field) in told.items():
        gauge = Gauge(name, about, labels, registry=registry)
        for one, night in _of(found, newest):
            gauge.labels(*(one.about[label] for label in labels[:-1]), one.path).set(getattr(night, field))
    about = "Trials of the newest night that are inconclusive, and in no other figure if they are void."
    gauge = Gauge("failover_trials_inconclusive", about, labels[:4], registry=registry)
    for key, mine in trials.groupby(labels[:4], sort=False):
        gauge.labels(*map(str, key)).set(int((mine["verdict"] == "inconclusive").sum()))
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text


def _of(found: Sequence[Series], newest: str) -> list[tuple[Series, Night]]:
    """Return what each series has of the newest night. An older night is never taken for it."""
    return [(one, night) for one in found for night in one.nights if night.campaign == newest]


def _row(night: Night, step: bool) -> tuple[str, ...]:
    least, most = min(night.back_s), max(night.back_s)
    kept = f"{night.passed} of {night.known}"
    measured = (_s(least), _s(night.median_s), _s(most))
    return (night.campaign, str(len(night.back_s)), *measured, kept, _lost(night), "step" if step else "")


def _lost(night: Night) -> str:
    """Return how many writes were lost, and in how many trials that is undecided."""
    return f"{night.lost}, undecided in {night.lost_unknown}" if night.lost_unknown else str(night.lost)


def _s(value: float) -> str:
    return seconds(value, 2) if math.isfinite(value) else "never"
