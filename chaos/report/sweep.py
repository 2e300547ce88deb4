"""What a sweep over one setting shows: how long recovery takes, what is lost, and how often nobody needed a failover.

A setting that makes Sentinel quick also makes it hasty: a master that only hangs for a moment is replaced, and what it
acknowledged meanwhile is lost. One table and one figure show both sides, and the best setting is named with its price.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from chaos import frames
from chaos.analysis.claim import share_interval
from chaos.analysis.statistics import quantile_interval, ranks, strength
from chaos.analysis.wording import brief, number, percent, seconds
from chaos.errors import ScenarioError
from chaos.frames import Frames, Table
from chaos.report import figures
from chaos.report.many import ORDERS
from chaos.report.markdown import table
from chaos.scenario.lookup import shipped

PAUSES_S = (0.5, 1.0, 2.0, 4.0)
"""How many seconds a healthy master hangs in each pause."""
ABOUT = (
    "When the last path was back after a kill, how many kills kept every promise, what all trials lost, and how many "
    "masters that hung for a moment brought a failover that nobody needed:"
)
_PAUSE = re.compile(r"pause-([\d.]+)s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Shaken:
    """Pauses of one length: `failovers` of `n` brought a failover that nobody needed."""

    failovers: int
    n: int

    @property
    def share(self) -> tuple[float, float]:
        """The 95 % interval of the share of such pauses that bring a failover."""
        return share_interval(self.failovers, self.n)


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One value of the setting, in one group of trials.

    `back_s` is when the last path was back after each kill. `passed` of `known` kills kept every promise that is a
    gate; `unknown` more are inconclusive. `void` trials, of which some may be pauses, count nowhere else. `lost` of
    `acknowledged` writes are those of all trials whose losses are known, pauses included. `pauses` maps the length of a
    pause in seconds to what such pauses brought.
    """

    variant: str
    group: str
    back_s: tuple[float, ...]
    passed: int
    known: int
    unknown: int
    void: int
    lost: int
    acknowledged: int
    pauses: Mapping[float, Shaken]

    @property
    def title(self) -> str:
        return ", ".join(filter(None, (self.variant, ORDERS.get(self.group, self.group))))

    @property
    def median_s(self) -> float:
        return float(np.median(self.back_s)) if self.back_s else math.nan

    @property
    def interval_s(self) -> tuple[float | None, float | None]:
        seen = np.array([value for value in self.back_s if math.isfinite(value)])
        return quantile_interval(seen, np.array([math.inf] * (len(self.back_s) - len(seen))), 0.5)

    @property
    def keeps(self) -> bool:
        return self.known > 0 and self.passed == self.known

    @property
    def false(self) -> Shaken:
        """All pauses of this setting together."""
        each = self.pauses.values()
        return Shaken(failovers=sum(one.failovers for one in each), n=sum(one.n for one in each))


def experiments() -> tuple[str, ...]:
    """Return what a sweep plays for each setting: a kill that needs a failover, and pauses that need none."""
    folder = shipped() / "experiments"
    return (
        str(folder / "kill-master.yaml"),
        *(str(folder / "pauses" / f"pause-{brief(length)}s.yaml") for length in PAUSES_S),
    )


def write(directory: Path) -> list[str]:
    """Write sweep.md, sweep.svg and sweep.png into a campaign of `failover sweep`. Return lines for the terminal.

    Raises ScenarioError if the directory is no such campaign.
    """
    played = frames.load(directory)
    settings = list(swept(played))
    if len(settings) < 2 or not any(one.pauses for one in settings):
        raise ScenarioError(f"{directory} is no campaign of `failover sweep`: it takes two settings, kills and pauses")
    limit_s = promised(played)
    vector, png = figures.of_sweep(settings, limit_s)
    (directory / "sweep.svg").write_text(vector, encoding="utf-8")
    (directory / "sweep.png").write_bytes(png)
    sentence, (titles, rows) = best(settings), cells(settings)
    missing = [f"{text[:1].upper()}{text[1:]}." for text in played.not_there.values()]
    begun = [f"# {directory.name}", "", " ".join([sentence, *missing]), ""]
    text = [*begun, "![](sweep.png)", "", ABOUT, "", *table(titles, rows)]
    (directory / "sweep.md").write_text("\n".join(text) + "\n", encoding="utf-8")
    widths = [max(len(row[column]) for row in (titles, *rows)) for column in range(len(titles))]
    aligned = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in (titles, *rows))
    return [ABOUT, *(line.rstrip() for line in aligned), sentence, *missing, str(directory / "sweep.png")]


def swept(played: Frames) -> Iterator[Setting]:
    """Yield each setting, ordered by its value, with one `Setting` for each group."""
    for variant in sorted(played.variants, key=_by_number):
        one = played.of_variant(variant)
        kills, paused = (
            one.trials[one.trials["experiment"].str.fullmatch(_PAUSE.pattern) == wanted] for wanted in (False, True)
        )
        pauses = {
            float(str(name)[len("pause-") : -1]): Shaken(
                failovers=int((mine["failovers"] > 0).sum()), n=int((~mine["void"].astype(bool)).sum())
            )
            for name, mine in paused[~paused["void"].astype(bool)].groupby("experiment")
        }
        losses = one.losses[one.losses["most"].notna()]
        proved = kills[~kills["void"].astype(bool)]
        # a setting of which every kill is void has a row too, which says so
        for group, mine in proved.groupby("group", sort=False) if len(proved) else [("", proved)]:
            verdicts = mine["verdict"].tolist()
            yield Setting(
                variant=variant,
                group=str(group),
                back_s=tuple(sorted(_back_s(one, mine))),
                passed=verdicts.count("pass"),
                known=verdicts.count("pass") + verdicts.count("fail"),
                unknown=verdicts.count("inconclusive"),
                void=int(one.trials["void"].sum()),
                lost=int(losses["most"].sum()),
                acknowledged=int(losses.drop_duplicates(["campaign", "trial"])["acknowledged"].sum()),
                pauses=dict(sorted(pauses.items())),
            )


def promised(played: Frames) -> float | None:
    """Return the limit of recovery after a kill, or None if none is promised."""
    mine = played.paths.query("measure == 'recovered' and gate")
    limits = mine.loc[~mine["experiment"].str.fullmatch(_PAUSE.pattern), "limit_s"].dropna()
    return float(limits.max()) if len(limits) else None


def cells(settings: Sequence[Setting]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the titles and the rows of the table."""
    lengths = sorted({length for one in settings for length in one.pauses})
    pauses = [f"hung {brief(length)} s" for length in lengths]
    titles = ("setting", "back: median", "at 95 %", "worst", "kept", "lost", *pauses)
    return titles, [
        (
            one.title,
            _s(one.median_s),
            _between(one.interval_s),
            _s(max(one.back_s, default=math.nan)),
            f"{one.passed} of {one.known}{_beside(one)}",
            f"{one.lost} of {one.acknowledged}",
            *(_shaken(one.pauses.get(length)) for length in lengths),
        )
        for one in settings
    ]


def best(settings: Sequence[Setting]) -> str:
    """Return a sentence about the setting that keeps the promise with the fewest false failovers, and its price.

    Which has the fewest is told by the upper end of the interval of their share, so that a setting of which few pauses
    were played is not the best because of that.
    """
    by_variant: dict[str, list[Setting]] = {}
    for one in settings:
        by_variant.setdefault(one.variant, []).append(one)
    keeping = {name: each for name, each in by_variant.items() if all(one.keeps for one in each)}
    if not keeping:
        nearest = max(settings, key=lambda one: one.passed / max(1, one.known))
        return f"No setting keeps the promise; {nearest.title} comes nearest, in {nearest.passed} of {nearest.known}."
    slowest = {name: max(each, key=lambda one: one.median_s) for name, each in keeping.items()}
    chosen = min(slowest.values(), key=lambda one: (one.false.share[1], one.median_s))
    quickest = min(slowest.values(), key=lambda one: one.median_s)
    false = chosen.false
    begun = (
        f"{chosen.variant} keeps the promise with the fewest failovers that nobody needed, {false.failovers} in "
        f"{false.n} pauses: {strength(chosen.passed, chosen.known)}{_beside(chosen)}."
    )
    if chosen is quickest:
        return f"{begun} It is the quickest too, back after {_s(chosen.median_s)}."
    spared = quickest.false
    return (
        f"{begun} The price: it is back {seconds(chosen.median_s - quickest.median_s, 2)} later than with "
        f"{quickest.variant}, which fails over in {spared.failovers} of {spared.n} pauses."
    )


def _back_s(one: Frames, trials: Table) -> list[float]:
    """Return when the last path that worked was back in each trial: 0 without an outage, infinite if never."""
    worked = one.paths.query("measure == 'recovered' and state == 'works' and not application")
    mine = worked.merge(trials[["campaign", "trial"]], on=["campaign", "trial"])
    back = mine.assign(seconds=mine["middle_s"].fillna(0.0)).groupby(["campaign", "trial"])["seconds"].max()
    return [float(value) for value in back]


def _beside(one: Setting) -> str:
    """Return how many trials are not among those that are told, such as `, 2 inconclusive, 1 void`."""
    counts = {"inconclusive": one.unknown, "void": one.void}
    return "".join(f", {count} {what}" for what, count in counts.items() if count)


def _between(edges: tuple[float | None, float | None]) -> str:
    """Format the interval of a median. If neither edge is bounded, say how many trials would bound both."""
    if edges == (None, None):
        return f"needs n ≥ {next(n for n in count(1) if ranks(n, 0.5)[0] >= 1)}"
    return " to ".join("?" if edge is None else number(edge) for edge in edges)


def _shaken(one: Shaken | None) -> str:
    if one is None:
        return "–"
    least, most = one.share
    return f"{one.failovers} of {one.n} ({percent(least)} to {percent(most)})"


def _s(value: float) -> str:
    return "–" if math.isnan(value) else seconds(value, 2) if math.isfinite(value) else "never"


def _by_number(variant: str) -> tuple[float, str]:
    value = variant.rpartition("=")[2]
    return (float(value) if re.fullmatch(r"-?\d+(\.\d+)?", value) else math.inf), variant
