"""Nights beside each other: what matches, which steps are found, and how often an alarm is right. By simulation."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from chaos.analysis.interval import Interval
from chaos.analysis.nights import BEFORE, ONE_IN, Night, Series, confirmed, hold, measured, series, slower, steps
from chaos.analysis.result import CampaignResult, Verdict
from chaos.frames import of
from tests.report.results import campaign, path, trial

PATHS = ("sentinel/new", "sentinel/kept", "service/new", "service/kept")
ABOUT = {
    "scenario": "sentinel",
    "cluster": "local",
    "machine": "m",
    "parallel": "2",
    "experiment": "kill-master",
    "variant": "",
    "group": "",
}


def law(draw: np.random.Generator, nights: int, trials: int = 10) -> np.ndarray:
    """When four paths were back, in seconds, as on the Sentinel paths: within 0.6 s, and 1 in 20 waits for another try.

    Paths of a trial are alike, since one failover serves them all.
    """
    size = (nights, trials)
    back = 5.6 + draw.uniform(0, 0.6, size) + draw.exponential(0.15, size)
    back += np.where(draw.uniform(size=size) < 0.05, draw.uniform(5, 11, size), 0.0)
    return np.stack([back + draw.uniform(0, 0.05, size) for _ in PATHS])


def told(back: np.ndarray, limit_s: float = 15.0) -> list[Series]:
    """Series of these times: (path, night, trial)."""
    found = []
    for name, nights in zip(PATHS, back, strict=True):
        each = tuple(
            Night(
                campaign=f"night-{number:03d}",
                day=f"day {number}",
                back_s=tuple(mine),
                passed=int((mine <= limit_s).sum()),
                known=len(mine),
                lost=0,
            )
            for number, mine in enumerate(nights)
        )
        found.append(Series(about=ABOUT, software="Redis 7.0.15", path=name, nights=each))
    return found


def alarms(back: np.ndarray, night: int) -> bool:
    return any(one.alarm for one in hold(told(back[:, : night + 1]), f"night-{night:03d}"))


def test_at_most_one_night_in_a_hundred_has_an_alarm_by_chance():
    draw, of = np.random.default_rng(1), 600
    seen = sum(alarms(law(draw, BEFORE + 2), BEFORE + 1) for _ in range(of))
    assert seen / of <= 1 / ONE_IN


def test_half_a_second_more_on_the_sentinel_path_is_found_within_two_nights():
    """At ten trials a night. What is found in the first night is found."""
    draw, found, of = np.random.default_rng(2), 0, 200
    for _ in range(of):
        back = law(draw, BEFORE + 3)
        back[:, -2:] += 0.5
        found += alarms(back, BEFORE + 1) or alarms(back, BEFORE + 2)
    assert found / of >= 0.95


def test_fresh_trials_confirm_a_slowdown_and_not_an_alarm_of_chance():
    draw, right, wrong, of = np.random.default_rng(3), 0, 0, 200
    for _ in range(of):
        held = [replace(one, alarm=True) for one in hold(told(law(draw, BEFORE + 1)), f"night-{BEFORE:03d}")][:4]
        right += len(confirmed(held, told(law(draw, 1, 20) + 0.5))) > 0
        wrong += len(confirmed(held, told(law(draw, 1, 20)))) > 0
    assert right / of >= 0.95
    assert wrong / of <= 0.05


def test_how_many_fresh_trials_measured_it_is_counted():
    [one, *_, passes] = hold(told(law(np.random.default_rng(3), BEFORE + 1)), f"night-{BEFORE:03d}")
    fresh = told(law(np.random.default_rng(4), 1, 7))
    assert (measured(one, fresh), measured(passes, fresh), measured(one, fresh[1:])) == (7, 7, 0)


def test_the_smallest_visible_slowdown_of_the_service_is_said():
    """The operator's resync moves it, every 30 s: ten trials a night see half a second there never."""
    draw = np.random.default_rng(4)
    back = 6 + draw.uniform(0, 30, (4, BEFORE + 1, 10))
    [first, *_] = hold(told(back, limit_s=60), f"night-{BEFORE:03d}")
    assert first.visible_s is not None
    assert 5 < first.visible_s < 20
    assert first.sentence.startswith("kill-master, sentinel/new: as the 14 nights before, but for chance, ")
    assert f"two nights could show a slowdown of {first.visible_s:.2f} s" in first.sentence


def test_what_is_visible_is_seen_in_four_of_five():
    draw, seen, of = np.random.default_rng(5), 0, 200
    night = f"night-{BEFORE + 1:03d}"
    visible_s = np.median([hold(told(law(draw, BEFORE + 2)), night)[0].visible_s or 9 for _ in range(40)])
    for _ in range(of):
        back = law(draw, BEFORE + 2)
        back[:, -2:] += visible_s
        seen += hold(told(back), night)[0].alarm
    assert seen / of >= 0.72


def test_fewer_kept_promises_are_an_alarm_of_their_own():
    back = law(np.random.default_rng(6), BEFORE + 1)
    back = np.minimum(back, 9.0)
    back[:, -1, :6] = 16.0
    held = hold(told(back), f"night-{BEFORE:03d}")
    assert [one.series.path for one in held if one.alarm][-1] == ""
    assert held[-1].sentence == "kill-master: fewer trials keep their promises than in the 14 nights before"


@pytest.mark.parametrize(("m", "n"), [(140, 10), (30, 20), (6, 6)])
def test_the_chance_is_that_of_mann_and_whitney_from_one_side(m: int, n: int):
    draw = np.random.default_rng(m)
    for _ in range(10):
        before, after = draw.normal(6, 1, m), draw.normal(6.5, 1, n)
        expected = stats.mannwhitneyu(after, before, alternative="greater", method="exact").pvalue
        assert slower(before, after) == pytest.approx(expected)


def test_a_first_night_is_held_against_nothing():
    held = hold(told(law(np.random.default_rng(7), 1)), "night-000")
    assert not any(one.alarm for one in held)
    assert held[0].sentence.endswith("no matching night before, so that there is nothing to hold it against")


def test_a_path_that_is_never_back_can_get_no_slower():
    back = law(np.random.default_rng(7), 4)
    back[0], back[1, 3] = np.inf, np.inf
    held = hold(told(back, limit_s=60), "night-003")
    assert held[0].sentence.endswith(
        "but for chance, never back in the median, now as before; two nights could show no slowdown of any size"
    )
    assert held[0].decided
    assert "slower than the 3 nights before, never back in the median now; " in held[1].sentence


def test_a_night_without_a_conclusive_trial_says_nothing_of_kept_promises():
    found = told(law(np.random.default_rng(7), 4))
    found = [replace(one, nights=(*one.nights[:-1], replace(one.nights[-1], passed=0, known=0))) for one in found]
    passes = hold(found, "night-003")[-1]
    assert not passes.decided
    assert passes.sentence.startswith("kill-master: no trial of tonight is conclusive")


def test_a_step_is_marked_at_its_night_and_limits_come_of_the_nights_since():
    back = law(np.random.default_rng(8), 40)
    back[:, 25:] += 0.8
    [one, *_] = told(back)
    found = steps(one.nights)
    assert found[:1] in ((25,), (24,))
    marked = replace(one, steps=found)
    assert marked.limits_s == (
        min(min(night.back_s) for night in one.nights[found[-1] :]),
        max(max(night.back_s) for night in one.nights[found[-1] :]),
    )


def test_steps_are_rare_where_nothing_changed():
    draw = np.random.default_rng(9)
    found = [len(steps(told(law(draw, 60))[0].nights)) for _ in range(20)]
    assert sum(found) / (20 * 59) <= 1 / ONE_IN


def played(name: str, back_s: Sequence[float], **more: object) -> CampaignResult:
    trials = []
    for number, at in enumerate(back_s):
        one = trial(number, 5, 5, paths={"service/new": path("service/new", at)})
        covariates = {"versions": {"server": more.pop("server", "Redis 7.0.15"), "kernel": name}}
        trials.append(replace(one, verdict=Verdict.PASS, covariates=covariates, t0=f"{name}T02:17:00.000Z"))
    fields = {"name": name, "manifest": {"machine": more.pop("machine", "EPYC, 2 cores")}}
    return replace(campaign(*trials), **(fields | more))  # type: ignore[arg-type]


def test_nights_match_in_scenario_place_machine_server_and_group():
    nights = [played(f"2026-11-{day:02d}", [6.0, 6.1]) for day in (3, 1, 2)]
    nights += [
        played("2026-11-04", [7.0], server="Valkey 9.1"),
        played("2026-11-05", [7.0], machine="Xeon, 64 cores"),
        played("2026-11-06", [7.0], cluster="local"),
        played("2026-11-07", [7.0], manifest={"machine": "EPYC, 2 cores", "parallel": 8}),
    ]
    found = series(of(nights))
    assert [len(one.nights) for one in found] == [3, 1, 1, 1, 1]
    assert [night.campaign for night in found[0].nights] == ["2026-11-01", "2026-11-02", "2026-11-03"]
    assert found[0].software == "Redis 7.0.15"
    assert found[0].nights[0].passed == 2


def test_what_was_never_back_is_the_longest_of_a_night():
    given = played("2026-11-01", [6.0, 6.0])
    never = replace(given.trials[1].paths["service/new"], recovered_s=Interval(60.0))
    trials = (given.trials[0], replace(given.trials[1], paths={"service/new": never}))
    [one] = series(of([replace(given, trials=trials)]))
    assert list(one.nights[0].back_s) == [pytest.approx(5.99), float("inf")]
