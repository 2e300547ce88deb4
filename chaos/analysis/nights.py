"""Compares the nights of a directory of campaigns: from which night on times are different, and tonight's alarms.

A night is one campaign. Nights are compared within a series, in which scenario, place, class of machine, how many
trials were played at once, server, operator, experiment, variant and group are the same.

An alarm says that tonight is slower, or keeps its promises less often, than the nights before. Tonight is tested alone,
and again together with last night, which finds smaller changes. If the nights differ by chance only, at most one night
in `ONE_IN` has an alarm, whatever the number of paths.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from chaos.analysis.claim import TAIL
from chaos.analysis.statistics import difference, fisher, unpaired
from chaos.frames import Frames, Table

Floats = npt.NDArray[np.float64]

ONE_IN = 100
"""If the nights differ by chance only, at most one of this many nights has an alarm."""
BEFORE = 14
"""A night is compared with at most this many matching nights before it."""
CONFIRM = 0.05
"""The share of false alarms that fresh trials confirm by chance."""
ALIKE = ("scenario", "cluster", "machine", "parallel", "experiment", "variant", "group")
PASSES = ""
"""The path of a series about whole trials: whether they kept their promises."""
OURS = ("failover", "python", "chaostoolkit-lib", "redis-py", "hiredis", "kernel", "isolation", "failover-agent")
PLATFORM = ("kubernetes", "kind", "docker", "podman", "node image", "container runtime", "nodes")
"""Versions that may differ within a series: those of the harness, and of the platform under the system."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Night:
    """What one campaign measured of a path.

    `back_s` is when the path was back in each trial in which it worked, 0 without an outage. `passed` of the `known`
    conclusive trials passed. `lost` writes were lost; the losses of `lost_unknown` further trials are undecided.
    """

    campaign: str
    day: str
    back_s: tuple[float, ...]
    passed: int
    known: int
    lost: int
    lost_unknown: int = 0

    @property
    def median_s(self) -> float:
        return float(np.median(self.back_s))


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One path over all nights that match, the oldest first.

    `about` and `software` say what the nights have in common. `steps` are the indices of the nights from which on the
    path was slower or quicker than before.
    """

    about: Mapping[str, str]
    software: str
    path: str
    nights: tuple[Night, ...]
    steps: tuple[int, ...] = ()

    @property
    def title(self) -> str:
        names = (self.about[name] for name in ("experiment", "variant", "group"))
        return ", ".join(filter(None, (" ".join(filter(None, names)), self.path)))

    @property
    def since_step(self) -> tuple[Night, ...]:
        """The nights since the last step. Only they are used for limits."""
        return self.nights[self.steps[-1] if self.steps else 0 :]

    @property
    def limits_s(self) -> tuple[float, float] | None:
        """The shortest and the longest time since the last step, or None if there is only one night since then."""
        mine = [value for night in self.since_step for value in night.back_s]
        return (min(mine), max(mine)) if len(self.since_step) > 1 else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tonight:
    """Tonight's figures of one path, compared with the nights before.

    `n` is how many trials of tonight measured it. `chance` is the probability of these figures if nothing changed.
    `alarm` is true if it is too small for the number of paths that were tested, and `blind` if so few trials could not
    have had an alarm, whatever they measured. `visible_s` is the slowdown that such nights show in 4 of 5 cases. It is
    None or infinite if they can show none.
    """

    series: Series
    n: int
    by_s: float
    chance: float
    alarm: bool
    blind: bool
    visible_s: float | None
    before: tuple[Night, ...]

    @property
    def decided(self) -> bool:
        """Whether tonight was held against the nights before, so that no alarm says something.

        So few trials that they cannot show fewer kept promises do not matter, because each path is tested too.
        """
        return bool(self.before) and self.n > 0 and not (self.blind and self.series.path)

    @property
    def sentence(self) -> str:
        where, nights = self.series.title, len(self.before)
        n = "the night before" if nights == 1 else f"the {nights} nights before"
        if not self.before:
            return f"{where}: no matching night before, so that there is nothing to hold it against"
        if not self.n and self.series.path:
            return f"{where}: it worked in {n}, and in no trial of tonight"
        if not self.n:
            return f"{where}: no trial of tonight is conclusive, so that none is held against {n}"
        if not self.series.path:
            how = "fewer trials keep their promises than" if self.alarm else "as many trials keep their promises as"
            return f"{where}: {how} in {n}{'; so few trials could not show fewer' if self.blind else ''}"
        visible = self.visible_s is not None and math.isfinite(self.visible_s)
        seen = f"a slowdown of {self.visible_s:.2f} s" if visible else "no slowdown of any size"
        how = f"slower than {n}" if self.alarm else f"as {n}, but for chance"
        such = "two nights" if nights > 1 else "tonight alone"
        return f"{where}: {how}, {_later(self.by_s)}; {such} could show {seen}"


def _later(by_s: float) -> str:
    """Return by how much the median is later, where a median may be a trial that was never back."""
    if math.isnan(by_s):
        return "never back in the median, now as before"
    return f"{by_s:+.2f} s" if math.isfinite(by_s) else f"never back in the median {'now' if by_s > 0 else 'before'}"


def with_steps(played: Frames) -> list[Series]:
    """Return the series of all campaigns, with their steps."""
    return [replace(one, steps=steps(one.nights)) for one in series(played)]


def lacking(played: Frames, found: Sequence[Series]) -> dict[str, str]:
    """Return a text on each night of which something is missing: trials, a summary, or everything it should measure."""
    measured = {night.campaign for one in found for night in one.nights}
    texts = dict(played.not_there)
    for name in played.folders:
        if name not in measured:
            n = int((played.trials["campaign"] == name).sum())
            nothing = f"none of its {n} trials measured a path that worked" if n else "no trial was recorded"
            texts[name] = "; ".join(filter(None, (nothing, texts.get(name))))
    return dict(sorted(texts.items()))


def void(played: Frames, tonight: str) -> list[str]:
    """Return a sentence on each experiment of which more than half of tonight's trials are void."""
    mine = played.trials[played.trials["campaign"] == tonight]
    found = []
    for key, rows in mine.groupby(["experiment", "variant"], sort=False):
        n, unproved = len(rows), int(rows["void"].sum())
        if 2 * unproved > n:
            found.append(f"{' '.join(filter(None, map(str, key)))}: {unproved} of {n} trials of tonight prove nothing")
    return found


def series(played: Frames) -> list[Series]:
    """Return a series for every path over the nights that match."""
    trials = played.trials.assign(software=_software(played.trials))
    trials = trials[~trials["void"].astype(bool)]
    worked = played.paths.query("measure == 'recovered' and state == 'works' and not application")
    worked = worked.assign(seconds=worked["middle_s"].fillna(0.0))[["campaign", "trial", "path", "seconds"]]
    lost = played.losses.groupby(["campaign", "trial"])["most"].sum(min_count=1).rename("lost").reset_index()
    known = trials[[*dict.fromkeys(("campaign", "trial", "t0", "verdict", "software", *ALIKE))]]
    known = known.merge(lost, on=["campaign", "trial"], how="left")
    found = []
    for key, mine in known.groupby([*ALIKE, "software"], sort=False):
        *about, software = map(str, key)
        for path, rows in mine.merge(worked, on=["campaign", "trial"]).groupby("path", sort=False):
            nights = tuple(_nights(mine, rows))
            found.append(
                Series(about=dict(zip(ALIKE, about, strict=True)), software=software, path=str(path), nights=nights)
            )
    return found


def kept(every: Sequence[Series]) -> list[Series]:
    """Return a series about kept promises for each experiment and group, made from the first of its paths."""
    first: dict[tuple[str, ...], Series] = {}
    for one in every:
        first.setdefault((*one.about.values(), one.software), replace(one, path=PASSES))
    return list(first.values())


def hold(every: Sequence[Series], tonight: str) -> list[Tonight]:
    """Compare tonight's campaign with the nights before it that match: each of its paths, and its kept promises.

    A path that these nights measured, and no trial of tonight, is among the results too.
    """
    mine = [one for one in every if any(night.campaign == tonight for night in one.nights)]
    passes = list(kept(mine))
    tail = 1 / ONE_IN / max(1, 2 * len(mine) + len(passes))
    held = [_slower(one, _until(one, tonight), tail) for one in mine]
    gone = [silent for one in passes for silent in _gone(one, _until(one, tonight), every)]
    return held + gone + [_fewer(one, _until(one, tonight), tail) for one in passes]


def _gone(alike: Series, number: int, every: Sequence[Series]) -> Iterator[Tonight]:
    """Yield each path that nights before measured and tonight did not. `alike` is a series of tonight that matches."""
    matching = {night.campaign for night in _before(alike.nights, number)}
    tonight = alike.nights[number].campaign
    for one in every:
        before = tuple(night for night in one.nights if night.campaign in matching)
        now = any(night.campaign == tonight for night in one.nights)
        if before and not now and (one.about, one.software) == (alike.about, alike.software):
            yield Tonight(series=one, n=0, by_s=0.0, chance=1.0, alarm=False, blind=True, visible_s=None, before=before)


def measured(alarm: Tonight, fresh: Sequence[Series]) -> int:
    """Return how many fresh trials measured the path that has an alarm."""
    again = _again(alarm, fresh)
    return sum(len(night.back_s) if one.path else night.known for one in again for night in one.nights)


def _again(alarm: Tonight, fresh: Sequence[Series]) -> list[Series]:
    about, path = alarm.series.about, alarm.series.path
    return [one for one in (*fresh, *kept(fresh)) if (one.about, one.path) == (about, path)]


def confirmed(alarms: Sequence[Tonight], fresh: Sequence[Series]) -> list[Tonight]:
    """Return the alarms that fresh trials confirm. Only the paths with an alarm are tested."""
    found = []
    for held in alarms:
        again = _again(held, fresh)
        chance = min((_chance(held.before, one.nights, one.path) for one in again), default=1.0)
        found += [held] if chance <= CONFIRM / len(alarms) else []
    return found


def _chance(before: Sequence[Night], after: Sequence[Night], path: str) -> float:
    """Return the probability of the nights `after` if nothing changed: times so long, or so few promises kept."""
    if path:
        return slower(_pooled(before), _pooled(after))
    then, now = ((sum(one.passed for one in each), sum(one.known for one in each)) for each in (before, after))
    return fisher(then, now) if now[0] * then[1] < then[0] * now[1] else 1.0


def slower(before: Floats, after: Floats) -> float:
    """Return the probability of times that are so much longer than before if nothing changed.

    The test is one-sided and exact.
    """
    if not len(before) or not len(after):
        return 1.0
    wrong = int((after[:, None] <= before[None, :]).sum())
    chances = unpaired(len(before), len(after))
    return float(chances[min(wrong, len(chances) - 1)])


def steps(nights: Sequence[Night]) -> tuple[int, ...]:
    """Return the indices of the nights from which on times are longer or shorter than before.

    Each night is compared with the nights since the last step: alone and together with the night before, for longer and
    for shorter times. These four tests together find a false step in at most one in `ONE_IN` nights. A false step is
    followed by another one back, so each may have half of that.
    """
    found: list[int] = []
    since, tail = 0, 1 / ONE_IN / 8
    for number in range(1, len(nights)):
        for first in (number, number - 1):
            before, after = _pooled(nights[max(since, first - BEFORE) : first]), _pooled(nights[first : number + 1])
            if first > since and min(slower(before, after), slower(after, before)) <= tail:
                found.append(first)
                since = first
                break
    return tuple(found)


def _slower(one: Series, number: int, tail: float) -> Tonight:
    before = _before(one.nights, number)
    tests = [
        (_pooled(_before(one.nights, first)), _pooled(one.nights[first : number + 1]))
        for first in (number, number - 1)
        if first > 0
    ]
    chance = min((slower(*test) for test in tests), default=1.0)
    least = min((1 / math.comb(len(then) + len(now), len(now)) for then, now in tests), default=1.0)
    visible_s = difference((), *tests[-1], of=math.ceil(TAIL / tail)).visible_s if tests else None
    tonight = one.nights[number].median_s
    with np.errstate(invalid="ignore"):  # the difference of two medians that were never back is not known
        by_s = float(np.subtract(tonight, np.median(_pooled(before)))) if before else 0.0
    return Tonight(
        series=one,
        n=len(one.nights[number].back_s),
        by_s=by_s,
        chance=chance,
        alarm=chance <= tail,
        blind=least > tail,
        visible_s=visible_s,
        before=before,
    )


def _fewer(one: Series, number: int, tail: float) -> Tonight:
    before, tonight = _before(one.nights, number), one.nights[number]
    chance, least = (
        _chance(before, [night], PASSES) if before else 1.0 for night in (tonight, replace(tonight, passed=0))
    )
    return Tonight(
        series=one,
        n=tonight.known,
        by_s=0.0,
        chance=chance,
        alarm=chance <= tail,
        blind=least > tail and any(night.passed for night in before),
        visible_s=None,
        before=before,
    )


def _until(one: Series, tonight: str) -> int:
    return next(number for number, night in enumerate(one.nights) if night.campaign == tonight)


def _before(nights: tuple[Night, ...], number: int) -> tuple[Night, ...]:
    return nights[max(0, number - BEFORE) : max(0, number)]


def _pooled(nights: Sequence[Night]) -> Floats:
    return np.array([value for night in nights for value in night.back_s])


def _nights(mine: Table, back: Table) -> Iterator[Night]:
    """Yield the nights of one path, the oldest first.

    `back` says when the path was back in each trial in which it worked. `mine` are all trials: what was kept and lost.
    """
    days = back.groupby("campaign")["t0"].min().sort_values()
    for campaign, day in days.items():
        rows = mine[mine["campaign"] == campaign]
        verdicts = rows["verdict"].tolist()
        yield Night(
            campaign=str(campaign),
            day=str(day)[:10],
            back_s=tuple(back.loc[back["campaign"] == campaign, "seconds"].tolist()),
            passed=verdicts.count("pass"),
            known=verdicts.count("pass") + verdicts.count("fail"),
            lost=int(rows["lost"].sum()),
            lost_unknown=int(rows["lost"].isna().sum()),
        )


def _software(trials: Table) -> list[str]:
    """Return what each trial ran: the images of server and operator, or on local the server's version."""
    columns = {name: str(name).partition(".")[2] for name in trials.columns if str(name).startswith("versions.")}
    told = {name: version for name, version in columns.items() if not version.startswith((*OURS, *PLATFORM))}
    rows = ({version: row[name] for name, version in told.items()} for row in trials.to_dict("records"))
    return [
        ", ".join(name if ":" in name else value for name, value in row.items() if isinstance(value, str) and value)
        for row in rows
    ]
