"""The gates of `failover check`: whether a nightly campaign fails.

The gate *claim* is the campaign's verdict. The gate *known* compares each path of each experiment with `expected.yaml`,
or with a pass if it is not in that file; any change fails, even an unexpected pass. The gate *regression* compares a
night with the earlier ones, and fails only if fresh trials confirm its alarm. All gates read summary.json only.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from chaos.analysis import summary
from chaos.analysis.result import CampaignResult, TargetResult, TrialResult, Verdict
from chaos.analysis.verdict import not_there
from chaos.errors import EXIT_CODES, FAIL, INCONCLUSIVE, PASS, ScenarioError
from chaos.scenario.load import sentences
from chaos.scenario.source import read
from chaos.scenario.units import parse_duration

if TYPE_CHECKING:
    from chaos.analysis.nights import Tonight

SUMMARY = "summary.json"
SYSTEM = "system"
"""Takes the place of a path for promises about the whole system: losses, a single master, the number of failovers."""
WORST_FIRST = ("fail", "undecided", "pass")
CODES = {"fail": FAIL, "undecided": INCONCLUSIVE, "pass": PASS}


class Expected(BaseModel):
    """The expected result of one path in one experiment, the reason, who is to change it, and until when it may stay.

    `range` is when the path is back, from t = 0, in every trial. With the verdict `any`, a path may be late in some
    trials and in time in others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    experiment: str
    path: str
    verdict: Literal["pass", "fail", "any"]
    range: tuple[str, str] | None = None
    reason: str
    owner: str
    until: date


class _File(BaseModel):
    """The content of an `expected.yaml`."""

    model_config = ConfigDict(extra="forbid")

    expected: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class Gated:
    """The result of a gate for one path of an experiment, or for the system."""

    verdict: Literal["pass", "fail", "undecided"]
    sentence: str


def expected(path: Path) -> tuple[Expected, ...]:
    """Return the entries of an expected.yaml. Raises ScenarioError with the line of an error."""
    source = read(path, what=path.name)
    try:
        found = _File.model_validate(source.data).expected
        for one in found:
            least, most = map(parse_duration, one.range or ("0s", "0s"))
            if least > most:
                raise ValueError(f"{one.experiment}, {one.path}: it ends before it begins")
    except ValidationError as error:
        raise ScenarioError(sentences(source, error, _File.model_json_schema())) from None
    except ValueError as error:
        raise ScenarioError(f"{path}: range: {error}") from None
    twice = [place for place, count in Counter((one.experiment, one.path) for one in found).items() if count > 1]
    if twice:
        raise ScenarioError(f"{path}: {', '.join(twice[0])} has two entries, of which only one could hold")
    return found


def known(result: CampaignResult, entries: Sequence[Expected], today: date) -> list[Gated]:
    """Compare everything that was played with what is expected.

    An expectation for something that was not played fails.
    """
    by_place = {(one.experiment, one.path): one for one in entries}
    held = [
        _held(experiment, path, by_place.pop((experiment, path), None), told, today)
        for (experiment, path), told in _seen(result.trials).items()
    ]
    gone = [
        Gated("fail", f"{experiment}, {path}: it has an entry, and was not played or is held to no promise")
        for experiment, path in by_place
    ]
    return held + gone


def code(held: Iterable[Gated]) -> int:
    """Return the exit code: fail if anything fails, inconclusive if anything is undecided, or else pass."""
    worst = min((WORST_FIRST.index(one.verdict) for one in held), default=WORST_FIRST.index("undecided"))
    return CODES[WORST_FIRST[worst]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The options of `failover check`. `nights` is the directory of all nights. `max_age` is in seconds."""

    require: str
    gate: str
    expected: Path
    max_age: float | None
    confirm: bool
    nights: Path


def judge(folder: Path, asked: Asked, now: datetime) -> tuple[list[str], int]:
    """Return the results of the campaign in `folder` as lines, and the exit code."""
    result = summary.load(folder / SUMMARY)
    if asked.max_age is not None and (why := too_old(result.manifest, asked.max_age, now)):
        return [f"fail: {why}"], FAIL
    if asked.gate == "claim":
        conclusive = result.verdict is not Verdict.INCONCLUSIVE
        told = [f"{result.verdict}: {result.headline.get('verdict', result.rule)}"]
        return told, PASS if conclusive and asked.require == "conclusive" else EXIT_CODES[result.verdict]
    if asked.gate == "known":
        alarms: list[Tonight] = []
        held = known(result, expected(asked.expected), now.date())
    else:
        held, alarms = regression(asked.nights, result.name)
    missing = not_there(result.trials, result.manifest)
    lacking = [Gated("undecided", missing)] if missing else []
    lines, decides = [f"{one.verdict}: {one.sentence}" for one in [*held, *lacking]], held
    if alarms and asked.confirm:
        decides = confirm(alarms, asked.nights, result.manifest)
        lines += [f"{one.verdict}: {one.sentence}" for one in decides]
    elif alarms:
        lines.append("an alarm is no regression yet: --confirm plays fresh trials, and is red if they show it too")
    return lines, code([*decides, *lacking])


def regression(nights_in: Path, tonight: str) -> "tuple[list[Gated], list[Tonight]]":
    """Compare tonight's campaign with the earlier nights that match. Return the results and the unconfirmed alarms."""
    from chaos import frames  # with pandas, which no other gate needs
    from chaos.analysis import nights

    played = frames.load(nights_in)
    held = nights.hold(nights.series(played), tonight)
    alarms = [one for one in held if one.alarm]
    rate = f"by chance at most one night in {nights.ONE_IN} has an alarm"
    about = f"{rate}; {len(held)} paths and shares of kept promises are looked at"
    gated = [Gated("undecided" if one.alarm or not one.decided else "pass", one.sentence) for one in held]
    unknown = [] if held else [f"no trial of {tonight} measured a path that worked"]
    unknown += nights.void(played, tonight)
    return [Gated("pass", about), *gated, *(Gated("undecided", sentence) for sentence in unknown)], alarms


def confirm(alarms: "Sequence[Tonight]", nights_in: Path, manifest: dict[str, Any]) -> list[Gated]:
    """Play the experiments with an alarm again, twice as many trials as in a night, and return which alarms recur.

    These trials are stored beside the nights, in `confirmations`. Later nights are not compared with them.
    """
    from chaos import campaign, frames
    from chaos.analysis import nights
    from chaos.resume import options_of

    experiments = tuple(dict.fromkeys(one.series.about["experiment"] for one in alarms))
    asked = replace(
        options_of(manifest),
        experiments=experiments,
        trials=2 * int(manifest["trials"]),
        claim=None,
        seed=None,
        out=nights_in / "confirmations",
        command=f"failover check {nights_in} --gate regression --confirm",
    )
    _, folder = campaign.run(asked, lambda _message: None)
    fresh = nights.series(frames.load(folder))
    again, found = nights.confirmed(alarms, fresh), []
    for one in alarms:
        n = nights.measured(one, fresh)
        said = f"by {n} of {asked.trials} fresh trials that measured it, {folder}"
        if one in again:
            found.append(Gated("fail", f"{one.series.title}: the alarm is confirmed {said}"))
        elif 2 * n < asked.trials:
            found.append(Gated("undecided", f"{one.series.title}: the alarm is neither confirmed nor refuted {said}"))
        else:
            found.append(Gated("pass", f"{one.series.title}: the alarm is not confirmed {said}"))
    return found


def too_old(manifest: dict[str, Any], most_s: float, now: datetime) -> str:
    """Return a sentence if the newest campaign is too old, or else an empty string."""
    begun = datetime.fromisoformat(str(manifest.get("started") or "1970-01-01T00:00:00Z"))
    hours = (now - begun.astimezone(UTC)).total_seconds() / 3600
    if hours * 3600 <= most_s:
        return ""
    return f"the newest campaign began {hours:.1f} h ago, and one is expected every {most_s / 3600:g} h"


@dataclass(frozen=True, slots=True)
class _Seen:
    """The result of one path in one trial: the verdict of its gates, and when it was back.

    `back_s` is 0 for a path that was never out, and None for one that did not come back.
    """

    number: int
    verdict: str
    back_s: float | None


def _seen(trials: Iterable[TrialResult]) -> dict[tuple[str, str], list[_Seen]]:
    found: dict[tuple[str, str], list[_Seen]] = {}
    for trial in trials:
        for path, (verdict, back_s) in _of_trial(trial).items():
            found.setdefault((trial.experiment, path), []).append(_Seen(trial.number, verdict, back_s))
    return found


def _of_trial(trial: TrialResult) -> dict[str, tuple[str, float | None]]:
    """Return the verdict and `back_s` of everything that gates, by path.

    If the trial is void, each of these is undecided. So is a path that worked in part only, since nothing is held to
    it. Of an inconclusive trial something is undecided, whatever makes it inconclusive.
    """
    void = trial.verdict is Verdict.INCONCLUSIVE and any(one.voids and not one.path for one in trial.doubts)
    places: dict[str, tuple[Iterable[TargetResult], float | None]] = {SYSTEM: (trial.targets.values(), None)}
    for path in trial.paths.values():
        back = path.recovered_s
        never_back = path.state != "works" or (back is not None and back.is_open)
        places[path.name] = path.targets.values(), None if never_back else back.middle if back else 0.0
    found: dict[str, tuple[str, float | None]] = {}
    for name, (targets, back_s) in places.items():
        gates = [target.verdict for target in targets if target.gate]
        verdict = next((one for one in WORST_FIRST if one in gates), "")
        in_part = bool(gates) and name in trial.paths and trial.paths[name].state == "unreliable"
        if verdict or void or in_part:
            found[name] = verdict if verdict and not void else "undecided", back_s
    if trial.verdict is Verdict.INCONCLUSIVE and all(verdict == "pass" for verdict, _ in found.values()):
        found[SYSTEM] = "undecided", None
    return found


def _held(experiment: str, path: str, entry: Expected | None, seen: Sequence[_Seen], today: date) -> Gated:
    where, wanted = f"{experiment}, {path}", entry.verdict if entry else "pass"
    told = "pass or fail" if wanted == "any" else wanted
    other = [one for one in seen if one.verdict not in (wanted, "undecided") and wanted != "any"]
    why = f" ({entry.reason}; {entry.owner}, until {entry.until})" if entry else ""
    if entry and entry.until < today:
        return Gated("fail", f"{where}: what is expected of it was to change until {entry.until}{why}")
    if other:
        surprise = " as nobody expected" if wanted == "fail" else ""
        numbers = ", ".join(str(one.number) for one in other)
        return Gated(
            "fail", f"{where}: {other[0].verdict}{surprise}, and {wanted} is expected, in trial {numbers}{why}"
        )
    if entry and entry.range:
        least, most = map(parse_duration, entry.range)
        out = [
            one
            for one in seen
            if one.verdict != "undecided" and (one.back_s is None or not least <= one.back_s <= most)
        ]
        if out:
            back_s = out[0].back_s
            back = "not back" if back_s is None else f"back after {back_s:.2f} s" if back_s else "never out"
            between = " to ".join(entry.range)
            return Gated("fail", f"{where}: {back} in trial {out[0].number}, and {between} are expected{why}")
    unknown = sum(one.verdict == "undecided" for one in seen)
    if unknown:
        return Gated("undecided", f"{where}: {unknown} of {len(seen)} trials are undecided")
    return Gated("pass", f"{where}: {told}, as expected{why}")
