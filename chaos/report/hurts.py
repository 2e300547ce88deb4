"""The first table of a campaign of several experiments: for which failures does the promise hold?

Each fault is a row, and the fault that hurts most comes first. Below the table stands what would have kept the promise
in these same trials.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaos import frames
from chaos.analysis import wording
from chaos.analysis.cause import longest
from chaos.analysis.interval import Interval
from chaos.analysis.result import CampaignResult, Group, PathResult, TrialResult, Verdict
from chaos.analysis.wording import Mark
from chaos.report.bars import ROOM, Bar, bar_of, end_s, limits, limits_s, ticks
from chaos.report.claims import spread
from chaos.report.many import group_title, worst_first

LOSSES = ("before", "tail", "after")
SHORTEST_DOWN_AFTER_S = 0.5
"""A shorter down-after-milliseconds is not advised: Sentinel would take a pause of a healthy master for its end."""
NONE, UNKNOWN = "no outage", "–"


Drawn = tuple[TrialResult, PathResult]
"""A trial, and the path of this trial that a bar shows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hurt:
    """A row: one fault over its trials.

    `outages` are (path, figure) over the trials that are not void. `bar` shows the worst of these trials, or is None if
    there is none. `cause` is that of the trial `worst`, even if it is void.
    """

    name: str
    title: str
    stands_for: str
    n: int
    outages: tuple[tuple[str, str], ...]
    bar: Bar | None
    lost: tuple[str, str, str]
    mark: Mark
    allowed: str
    cause: str
    worst: int

    @property
    def longest(self) -> str:
        """The outage of the worst path, for a line of a terminal."""
        if self.bar is None:
            return NONE if self.outages else UNKNOWN
        return f"{self.bar.path} {dict(self.outages)[self.bar.path]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class HurtTable:
    """The rows, the axis that their bars share, and the sentences below the table."""

    rows: tuple[Hurt, ...]
    limits: tuple[tuple[float, str], ...]
    ticks: tuple[tuple[float, str], ...]
    anecdote: str
    kept: tuple[str, ...]

    @property
    def phases(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(part.name for row in self.rows if row.bar for part in row.bar.segments))


def hurts(result: CampaignResult) -> HurtTable | None:
    """Return the table, or None if only one experiment was played, since there is nothing to compare then."""
    if len({group.experiment for group in result.groups}) < 2:
        return None
    tables = frames.of([result])
    drawn = [(group, *_worst(tables, result, group)) for group in result.groups]
    ends = [end_s(worst[1]) for _, _, worst in drawn if worst]
    axis_s = max([*ends, *limits_s(result.trials), 1.0]) * ROOM
    drawn.sort(key=lambda one: _hurt(tables, one[0], one[2]))
    single = sum(len(group.trials) == 1 for group in result.groups)
    which = "One trial a row" if single == len(result.groups) else "A row of one trial"
    anecdote = (
        f"{which} is an anecdote: it shows that this can happen, and not how often. Twenty trials of each say more."
    )
    return HurtTable(
        rows=tuple(_row(tables, *one, axis_s) for one in drawn),
        limits=limits(result.trials, axis_s),
        ticks=ticks(axis_s),
        anecdote=anecdote if single else "",
        kept=(*_by_path(tables, result), *_by_variant(result), *_by_setting(result)),
    )


def _worst(tables: frames.Frames, result: CampaignResult, group: Group) -> tuple[TrialResult, Drawn | None]:
    """Return the worst trial of a group.

    Also return the worst trial that is not void, with its longest path, or None.
    """
    mine = [one for one in worst_first(result) if one.number in group.trials]
    proved = _proved(tables, group)["trial"].tolist()
    vouched = next((one for one in mine if one.number in proved), None)
    path = longest(vouched.paths.values()) if vouched else None
    return mine[0], (vouched, path) if vouched and path else None


def _of(table: frames.Table, group: Group) -> frames.Table:
    return table[table["trial"].isin(group.trials)]


def _proved(tables: frames.Frames, group: Group) -> frames.Table:
    """Return the trials of a group that are not void."""
    mine = _of(tables.trials, group)
    return mine[~mine["void"].astype(bool)]


def _hurt(tables: frames.Frames, group: Group, drawn: Drawn | None) -> tuple[float, ...]:
    """Return the sort key of a row: lost data that every replica had, then the longest outage, then other losses."""
    losses = _of(tables.losses, group).groupby("loss")["most"].sum()
    outage_s = drawn[1].outage_s.most if drawn and drawn[1].outage_s else 0.0
    void = float(_proved(tables, group).empty)
    return (void, -float(losses.get("before", 0.0)), -outage_s, -float(losses.sum()))


def _row(tables: frames.Frames, group: Group, trial: TrialResult, drawn: Drawn | None, axis_s: float) -> Hurt:
    allowed, cause = "", trial.cause or next(iter(trial.because), "")
    if trial.verdict is Verdict.INCONCLUSIVE and trial.because:
        cause = f"Trial {trial.number} proves nothing: {trial.because[0]}. {trial.cause}".rstrip()
    if drawn and (allowed_s := drawn[1].allowed_s):
        low, high = wording.count(allowed_s.least), wording.count(allowed_s.most)
        allowed = f"These settings allow {low} to {high} s on {drawn[1].name}."
    counts = {Verdict.FAIL: group.failed, Verdict.INCONCLUSIVE: group.inconclusive, Verdict.PASS: group.passed}
    verdict, n = next(one for one, count in counts.items() if count), len(group.trials)
    verdict_text = str(verdict) if n == 1 else f"{verdict} in {counts[verdict]} of {n}"
    return Hurt(
        name=" ".join(filter(None, (group.experiment, group.variant))),
        title=group_title(group),
        stands_for=trial.stands_for,
        n=len(group.trials),
        outages=tuple(_outages(tables, group)),
        bar=bar_of(*drawn, axis_s) if drawn else None,
        lost=_lost(tables, group),
        mark=Mark(wording.SIGNS[verdict], verdict_text, wording.TONES[verdict]),
        allowed=allowed,
        cause=cause,
        worst=trial.number,
    )


def _outages(tables: frames.Frames, group: Group) -> Iterator[tuple[str, str]]:
    """Yield each path that worked, with its outage over the trials that are not void."""
    proved = _proved(tables, group)["trial"]
    mine = _of(tables.paths, group)
    mine = mine[mine["trial"].isin(proved) & (mine["measure"] == "outage") & ~mine["application"].astype(bool)]
    for name, rows in mine[mine["state"] == "works"].groupby("path", sort=False):
        out = rows[rows["least_s"].notna()]
        values = [
            Interval(least_s) if censored else Interval(least_s, most_s)
            for least_s, most_s, censored in zip(out["least_s"], out["most_s"], out["censored"], strict=True)
        ]
        if not values:
            yield str(name), NONE
            continue
        text = wording.span(values[0]) if len(values) == 1 else spread(values)
        without = len(rows) - len(values)
        yield str(name), f"{text}, none in {without} of {len(rows)}" if without else text


def _lost(tables: frames.Frames, group: Group) -> tuple[str, str, str]:
    """Return how many acknowledged writes are lost over these trials, by class, or `?` if a trial cannot tell."""
    told = {}
    for name, rows in _of(tables.losses, group).groupby("loss"):
        most = rows["most"].sum()
        text = wording.counted(Interval(rows["least"].sum(), most))
        if rows["most"].isna().any():
            text = f"≥ {text}" if most else "?"
        told[name] = text
    before, tail, after = (told[name] for name in LOSSES)
    return before, tail, after


# What would have kept the promise in these same trials.


def _by_path(tables: frames.Frames, result: CampaignResult) -> Iterator[str]:
    """Yield a sentence about each path: in how many trials it was back in time, where it was not, and what it lost."""
    mine = tables.paths[tables.paths["measure"].isin(["recovered", "downtime"])]
    mine = mine[(mine["state"] == "works") & (mine["verdict"] != "") & ~mine["application"].astype(bool)]
    void = tables.trials.loc[tables.trials["void"].astype(bool), "trial"]
    mine = mine[~mine["trial"].isin(void)]
    for name, rows in mine.groupby("path", sort=False):
        of_trial = rows.groupby(["trial", "experiment"])["verdict"].agg(set).reset_index()
        missed = of_trial[of_trial["verdict"].map(lambda each: "fail" in each)]
        open_ones = of_trial[of_trial["verdict"].map(lambda each: "undecided" in each and "fail" not in each)]
        kept = len(of_trial) - len(missed) - len(open_ones)
        text = f"{name} was back in time in {kept} of {wording.plural(len(of_trial), 'trial')}"
        if len(missed):
            text += f"; it missed the promise in {wording.listed(sorted(set(missed['experiment'])))}"
        if len(open_ones):
            text += f"; undecided in {wording.listed(sorted(set(open_ones['experiment'])))}"
        lost = sum(path.lost or 0 for trial in result.trials for path in trial.paths.values() if path.name == name)
        yield f"{text}{f'; {wording.count(lost)} writes that were acknowledged on it are lost' if lost else ''}."


def _by_variant(result: CampaignResult) -> Iterator[str]:
    """Yield a sentence about each variant: its settings, and how many of its trials kept every promise."""
    settings = (result.manifest.get("options") or {}).get("variants") or {}
    for name in dict.fromkeys(trial.variant for trial in result.trials if trial.variant):
        mine = [trial for trial in result.trials if trial.variant == name]
        passed = sum(trial.verdict is Verdict.PASS for trial in mine)
        said = ", ".join(f"{key}={value}" for key, value in settings.get(name, {}).items()) or "nothing changed"
        yield f"Variant {name} ({said}) kept every promise in {passed} of {wording.plural(len(mine), 'trial')}."


def _by_setting(result: CampaignResult) -> Iterator[str]:
    """Yield sentences about settings that would have kept the promise, by the phases of the late paths.

    They are calculated from these trials and were not played.
    """
    late = [
        (trial, path, limit_s)
        for trial in result.trials
        for path in trial.paths.values()
        if (limit_s := _late_limit_s(path)) is not None
    ]
    sooner: dict[str, list[tuple[float, str]]] = {}
    moved: dict[str, list[str]] = {}
    for trial, path, limit_s in late:
        assert path.head is not None
        over_s = path.head.length_s.most - limit_s
        taken = {phase.name: phase.seconds for phase in path.head.phases}
        if path.head.end_s is None:
            continue
        sentinel = (trial.covariates.get("settings") or {}).get("sentinel") or {}
        down_after = str(sentinel.get("down-after-milliseconds", ""))
        down_after_s = int(down_after) / 1000 if down_after.isdecimal() else None
        if down_after_s is not None and down_after_s - over_s >= SHORTEST_DOWN_AFTER_S and "detection" in taken:
            sooner.setdefault(path.name, []).append((down_after_s - over_s, trial.experiment))
        if taken.get("endpoint", 0.0) >= over_s:
            moved.setdefault(path.name, []).append(trial.experiment)
    for name, each in sooner.items():
        most_ms = wording.count(int(min(at_s for at_s, _ in each) * 10) * 100)
        yield (
            f"Reckoned from the phases, and not played: down-after-milliseconds of at most {most_ms} would have kept "
            f"it on {name} in {_experiments([one for _, one in each])}."
        )
    for name, those in moved.items():
        yield (
            f"Reckoned from the phases, and not played: on {name} an address that follows the promotion at once would "
            f"have kept it in {_experiments(those)}."
        )
    if late and not sooner and not moved:
        yield "No setting that these phases speak of would have kept it where it was missed."


def _experiments(names: Sequence[str]) -> str:
    told = ((one, sum(one == each for each in names)) for one in sorted(set(names)))
    return wording.listed(f"{name} ({wording.plural(count, 'trial')})" for name, count in told)


def _late_limit_s(path: PathResult) -> float | None:
    """Return the limit of recovery that a path missed, or None. The 0 of a control is no limit."""
    held = path.targets.get("recovery")
    if path.application or path.head is None or held is None or held.verdict != "fail" or not held.limit:
        return None
    return held.limit


# The same table, for summary.md.


def rows(table: HurtTable) -> list[tuple[str, ...]]:
    """Return rows of fault, what it stands for, outages, phases, losses, verdict, and what is allowed and why."""
    return [
        (
            one.title,
            one.stands_for,
            "; ".join(f"{path} {text}" for path, text in one.outages) or "–",
            f"{one.bar.path}, trial {one.bar.trial}: "
            + ", ".join(f"{part.name} {part.text}" for part in one.bar.segments)
            if one.bar
            else "–",
            " · ".join(one.lost),
            f"{one.mark.sign} {one.mark.text}",
            f"{one.allowed} {one.cause}".strip() or "–",
        )
        for one in table.rows
    ]
