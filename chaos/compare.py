"""Compare two campaigns, or two variants of one: what differs, by how much, and the smallest detectable difference.

For each experiment, group and path, this shows how much later the second one was back, and how much longer each phase
took, with 95 % intervals. For each experiment and group it shows the pass rates, and how likely such a difference is
between two samples of the same system, and the losses. It also shows the settings, promises and versions that differ,
and what only one of the two has. Campaigns with unlike scenarios, places, machines or numbers of trials at once are
refused, because these would cause the differences.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from chaos import frames
from chaos.analysis.statistics import Difference, Floats, difference, fisher, holm
from chaos.analysis.wording import plural
from chaos.errors import ScenarioError
from chaos.frames import Frames, Table

ALIKE = ("scenario", "cluster", "machine", "parallel")
POOLED = ["experiment", "variant", "group"]
OF_TRIAL = ["campaign", "trial"]
VERSIONS = "versions."


def compare(first: Path, second: Path, *, unlike: bool = False) -> list[str]:
    """Return the lines of a comparison.

    Raises ScenarioError if the campaigns are unlike, unless `unlike` is set, or if both are the same one.
    """
    both = frames.load(first), frames.load(second)
    if _same(*both):
        raise ScenarioError(f"{first} and {second} are the same campaign: name another one to compare it with")
    differing = list(_unlike(*both))
    if differing and not unlike:
        told = "; ".join(differing)
        raise ScenarioError(f"{first} and {second} are unlike: {told}; --unlike compares them all the same")
    return [*differing, *_told(*both, paired=False)]


def compare_variants(directory: Path) -> list[str]:
    """Return the lines that compare a campaign's two variants. Raises ScenarioError if there are not two."""
    played = frames.load(directory)
    if len(played.variants) != 2:
        raise ScenarioError(f"{directory} is no campaign of two variants: name two campaigns, or one of `failover ab`")
    return _told(*(_unnamed(played.of_variant(name)) for name in sorted(played.variants)), paired=True)


def _unnamed(variant: Frames) -> Frames:
    """Return the tables of a variant without its name, so that its trials are compared with those of another one."""
    tables = {name: getattr(variant, name).assign(variant="") for name in frames.COLUMNS}
    return replace(variant, **tables)


def _same(first: Frames, second: Frames) -> bool:
    """Return whether both are one campaign. Two of one minute may have one name, but not the same trials."""
    trials = [[*one.trials["t0"].astype(str)] for one in (first, second)]
    return [*first.folders] == [*second.folders] and trials[0] == trials[1]


def _told(first: Frames, second: Frames, *, paired: bool) -> list[str]:
    void = [int(one.trials["void"].sum()) for one in (first, second)]
    left_out = [f"{void[0]} and {void[1]} void trials have no times here; their verdicts count"] if any(void) else []
    times = lines(*differences(first, second, paired=paired))
    missing = {**first.not_there, **second.not_there}
    left_out += [f"{name}: {text}" for name, text in missing.items()]
    promised = [*_settings(first, second), *_promises(first, second)]
    return [*promised, *left_out, *_alone(first, second), *times, *_passes(first, second), *_losses(first, second)]


TITLES = ("difference", "at 95 %", "so it is", "could be seen", "in")


def lines(paths: Sequence[Difference], phases: Sequence[Difference]) -> list[str]:
    """Return the table as aligned lines of text: each path, and below it its phases."""
    rows = [("", *TITLES)] if paths else []
    for path in paths:
        rows.append((", ".join(path.where), *path.cells))
        rows += [(f"  {one.where[-1]}", *one.cells) for one in phases if one.where[:-1] == path.where]
    widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES) + 1)] if rows else []
    told = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    if any(one.word.startswith("perhaps") for one in (*paths, *phases)):
        told.append("perhaps: it would be one if nothing else had been looked for; of so many one may be by chance")
    return told


def differences(first: Frames, second: Frames, *, paired: bool) -> tuple[list[Difference], list[Difference]]:
    """Return how much later each path was back, and how much longer each phase took, for paths that worked in both.

    With `paired`, trials of the same seed are compared. This is not done if the trials of an experiment fall into
    several groups, because chance decides the group, so the trials of a pair may be in different ones. Holm's
    correction is applied among the paths and among the phases: if nothing differs, at most one comparison in twenty
    shows a difference, however many paths there are.
    """
    families = []
    for both in (map(_by_path, (first, second)), map(_by_phase, (first, second))):
        before, after = (dict(found) for found in both)
        alike = [key for key in before if key in after]
        found = []
        for key in alike:
            groups = {each[2] for each in before if each[:2] == key[:2]}
            pairs = _pairs(before[key], after[key]) if paired and len(groups) == 1 else None
            two = pairs or (_values_s(before[key]), _values_s(after[key]))
            if len(two[0]) and len(two[1]):
                found.append(difference(_said(key), *two, paired=pairs is not None, of=len(alike)))
        families.append(holm(found))
    return families[0], families[1]


def _by_path(one: Frames) -> Iterator[tuple[tuple[str, ...], Table]]:
    """Yield when each path that worked was back: 0 without an outage, infinite if the outage did not end."""
    worked = one.paths.query("measure == 'recovered' and state == 'works' and not application")
    yield from _grouped(one, worked.assign(seconds=worked["middle_s"].fillna(0.0)), ["path"])


def _by_phase(one: Frames) -> Iterator[tuple[tuple[str, ...], Table]]:
    yield from _grouped(one, one.phases.dropna(subset=["seconds"]), ["path", "phase"])


def _grouped(one: Frames, table: Table, more: list[str]) -> Iterator[tuple[tuple[str, ...], Table]]:
    """Group a table by experiment, group and the columns `more`.

    Void trials are left out, because they measured nothing.
    """
    known = one.trials.loc[~one.trials["void"].astype(bool), [*OF_TRIAL, "seed"]]
    for key, mine in table.merge(known, on=OF_TRIAL).groupby([*POOLED, *more], sort=False):
        yield tuple(map(str, key)), mine


def _values_s(mine: Table) -> Floats:
    return mine["seconds"].to_numpy(float)


def _pairs(first: Table, second: Table) -> tuple[Floats, Floats]:
    """Return the seconds of each pair of trials of a campaign with the same seed.

    A trial without a partner is left out.
    """
    both = first.merge(second, on=["campaign", "seed"], suffixes=("_a", "_b"))
    return both["seconds_a"].to_numpy(float), both["seconds_b"].to_numpy(float)


def _said(key: Iterable[str]) -> tuple[str, ...]:
    """Return labels such as `kill-master lower`, `service/new` and, for a phase, `detection`."""
    experiment, variant, group, *more = key
    return " ".join(filter(None, (experiment, variant, group))), *more


def _values(one: Frames, column: str) -> list[str]:
    return sorted({str(value) for value in one.trials[column].dropna()}) if column in one.trials else []


def _unlike(first: Frames, second: Frames) -> Iterator[str]:
    for column in ALIKE:
        values = [_values(one, column) for one in (first, second)]
        if values[0] != values[1]:
            yield f"{column} {', '.join(values[0]) or 'not known'}, and {', '.join(values[1]) or 'not known'}"


def _settings(first: Frames, second: Frames) -> Iterator[str]:
    """Yield the effective settings and the versions that differ. Their columns have a dot in the name."""
    for column in dict.fromkeys([*first.trials.columns, *second.trials.columns]):
        values = [_values(one, column) for one in (first, second)]
        if "." in column and values[0] != values[1]:
            what = f"version of {column[len(VERSIONS) :]}" if column.startswith(VERSIONS) else f"setting {column}"
            yield f"{what}: {', '.join(values[0]) or 'not set'}, then {', '.join(values[1]) or 'not set'}"


def _promises(first: Frames, second: Frames) -> Iterator[str]:
    """Yield the limits of gates that differ. They make pass rates differ, whatever the systems do."""
    limits: list[dict[str, list[str]]] = []
    for one in (first, second):
        paths, losses = (table[table["gate"].astype(bool)] for table in (one.paths, one.losses))
        of_paths = {f"{measure} in s": rows["limit_s"] for measure, rows in paths.groupby("measure", sort=False)}
        of_losses = {f"lost_{loss}": rows["limit"] for loss, rows in losses.groupby("loss", sort=False)}
        limits.append({name: [f"{limit:g}" for limit in sorted({*of})] for name, of in (of_paths | of_losses).items()})
    for name in dict.fromkeys([*limits[0], *limits[1]]):
        told = [", ".join(each.get(name, [])) or "nothing" for each in limits]
        if told[0] != told[1]:
            yield f"promised, {name}: {told[0]}, then {told[1]}"


def _alone(first: Frames, second: Frames) -> Iterator[str]:
    """Yield what only one of the two has, so that it is compared with nothing: experiments, groups and paths."""
    groups = [dict(tuple(one.trials.groupby(POOLED, sort=False))) for one in (first, second)]
    paths = [dict(_by_path(one)) for one in (first, second)]
    names = ("first", "second")
    for name, mine, other in ((names[at], each[at], each[1 - at]) for each in (groups, paths) for at in (0, 1)):
        for key, rows in mine.items():
            here = all(key[: len(POOLED)] in each for each in groups)
            if key not in other and (here or len(key) == len(POOLED)):
                where = ", ".join(_said(map(str, key)))
                what = "worked in" if len(key) > len(POOLED) else "has"
                yield f"{where}: it {what} {plural(len(rows), 'trial')} of the {name} only, and is not compared"


def _passes(first: Frames, second: Frames) -> Iterator[str]:
    """Yield for each group how many conclusive trials passed in both, and how many trials were inconclusive."""
    counts: list[dict[str, tuple[int, int, int]]] = []
    for one in (first, second):
        counts.append({})
        for key, mine in one.trials.groupby(POOLED, sort=False):
            of = [int((mine["verdict"] == verdict).sum()) for verdict in ("pass", "fail", "inconclusive")]
            counts[-1][_said(map(str, key))[0]] = of[0], of[0] + of[1], of[2]
    for where, before in counts[0].items():
        if where in counts[1]:
            after = counts[1][where]
            passed = f"{before[0]} of {before[1]} passed, then {after[0]} of {after[1]}"
            unknown = f" ({before[2]} and {after[2]} inconclusive)" if before[2] or after[2] else ""
            percent = 100 * fisher(before[:2], after[:2])
            chance = f"rates so unlike come by chance in {percent:.0f} % of such pairs"
            yield f"{where}: {passed}{unknown}; {chance if before[1] and after[1] else 'too few to compare'}"


def _losses(first: Frames, second: Frames) -> Iterator[str]:
    """Yield for each group how many acknowledged writes were lost in both, and in how many trials that is undecided."""
    groups = [dict(tuple(one.losses.groupby(["loss", *POOLED], sort=False))) for one in (first, second)]
    for key in groups[0]:
        if key in groups[1]:
            lost = []
            for mine in (each[key] for each in groups):
                known = mine[mine["most"].notna()]
                unknown = f" (undecided in {plural(len(mine) - len(known), 'trial')})" if len(known) < len(mine) else ""
                lost.append(f"{known['most'].sum():.0f} of {known['acknowledged'].sum():.0f}{unknown}")
            loss, *group = map(str, key)
            yield f"{_said(group)[0]}: lost_{loss} {lost[0]}, then {lost[1]} acknowledged writes"
