"""When a night is red: by what is promised, by what is known, and when none has reported."""

import random
import re
from dataclasses import asdict, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import yaml

from chaos import gates
from chaos.analysis import summary
from chaos.analysis.result import CampaignResult, Doubt, TargetResult, Verdict
from chaos.cli import entry
from chaos.errors import FAIL, INCONCLUSIVE, PASS, ScenarioError
from chaos.options import PLATFORMS, Options, Registered
from chaos.scenario.lookup import shipped
from tests.fakes import HERE, scenario_file
from tests.report.results import campaign, path, target, trial

TODAY = date(2026, 11, 26)
KNOWN = """
expected:
  - experiment: kill-master
    path: service/new
    verdict: fail
    range: [6s, 67s]
    reason: the operator writes the label in its resync
    owner: platform
    until: 2027-03-01
"""


def file(folder: Path, text: str = KNOWN) -> Path:
    written = folder / "expected.yaml"
    written.write_text(text)
    return written


def played(*back_s: float | None, experiment: str = "kill-master") -> CampaignResult:
    """Trials whose Service was back then, against a limit of 15 s, and whose Sentinel path passed."""
    trials = []
    for number, at in enumerate(back_s):
        paths = {one.name: one for one in (path("service/new", at), path("sentinel/new", 6.5))}
        paths = {name: replace(one, targets={"recovery": one.targets["recovery"]}) for name, one in paths.items()}
        trials.append(replace(trial(number, 5, 5), experiment=experiment, paths=paths))
    return campaign(*trials)


def held(result: CampaignResult, folder: Path, text: str = KNOWN, today: date = TODAY) -> tuple[int, list[str]]:
    found = gates.known(result, gates.expected(file(folder, text)), today)
    return gates.code(found), [one.sentence for one in found if one.verdict != "pass"]


def test_what_is_as_expected_is_green(tmp_path: Path):
    assert held(played(46.0, 51.0), tmp_path) == (PASS, [])


def test_a_surprise_pass_is_red(tmp_path: Path):
    code, [sentence] = held(played(46.0, 12.0), tmp_path)
    assert code == FAIL
    assert sentence.startswith("kill-master, service/new: pass as nobody expected, and fail is expected, in trial 1")
    assert "platform, until 2027-03-01" in sentence


def test_a_failure_that_nobody_expected_is_red(tmp_path: Path):
    code, sentences = held(played(46.0), tmp_path, KNOWN.replace("service/new", "sentinel/new"))
    assert code == FAIL
    assert sentences[0] == "kill-master, service/new: fail, and pass is expected, in trial 0"
    assert sentences[1].startswith("kill-master, sentinel/new: pass as nobody expected, and fail is expected")


def test_where_both_are_right_the_range_decides(tmp_path: Path):
    any_of_both = KNOWN.replace("verdict: fail", "verdict: any")
    assert held(played(46.0, 12.0), tmp_path, any_of_both) == (PASS, [])
    assert held(played(46.0, 3.0), tmp_path, any_of_both)[0] == FAIL


def test_what_is_not_in_the_file_has_to_pass(tmp_path: Path):
    code, sentences = held(played(46.0), tmp_path, "expected: []")
    assert (code, sentences) == (FAIL, ["kill-master, service/new: fail, and pass is expected, in trial 0"])


def test_a_failure_out_of_its_range_is_red(tmp_path: Path):
    code, [sentence] = held(played(46.0, 70.0), tmp_path)
    assert code == FAIL
    assert "back after 69.99 s in trial 1, and 6s to 67s are expected" in sentence


def test_a_path_that_was_never_out_was_back_at_once(tmp_path: Path):
    in_time = KNOWN.replace("verdict: fail", "verdict: pass")
    assert held(played(None), tmp_path, in_time.replace("6s", "0s")) == (PASS, [])
    code, [sentence] = held(played(None), tmp_path, in_time)
    assert code == FAIL
    assert "never out in trial 0, and 6s to 67s are expected" in sentence


def test_what_was_to_change_by_now_is_red(tmp_path: Path):
    code, [sentence] = held(played(46.0), tmp_path, today=date(2027, 3, 2))
    assert code == FAIL
    assert "was to change until 2027-03-01" in sentence
    assert held(played(46.0), tmp_path, today=date(2027, 3, 1))[0] == PASS


def test_what_is_expected_and_was_not_played_is_red(tmp_path: Path):
    code, sentences = held(played(6.0, experiment="delete-master"), tmp_path)
    assert code == FAIL
    assert sentences == ["kill-master, service/new: it has an entry, and was not played or is held to no promise"]


@pytest.mark.parametrize("gate", ["known", "regression"])
def test_a_trial_that_is_not_there_is_not_known_by_any_gate(tmp_path: Path, capsys, gate: str):
    asked = ["check", str(tmp_path / "nights"), "--gate", gate, "--expected", str(file(tmp_path))]
    manifest = {"trials": 2, "experiments": ["kill-master"]}
    put(tmp_path / "nights" / "2026-11-01T0217-x", replace(played(46.0, 46.0), manifest=manifest), "2026-11-01")
    entry(asked)
    assert "not played or" not in capsys.readouterr().out
    put(tmp_path / "nights" / "2026-11-02T0217-x", replace(played(46.0), manifest=manifest), "2026-11-02")
    assert entry(asked) == INCONCLUSIVE
    assert "undecided: 1 of 2 trials was not played or is no longer there (trial 1)" in capsys.readouterr().out


def test_a_promise_of_the_system_is_held_under_its_own_name(tmp_path: Path):
    lost = TargetResult(limit=0, verdict="fail", gate=True)
    given = played(46.0)
    given = replace(given, trials=tuple(replace(one, targets={"lost_before": lost}) for one in given.trials))
    code, [sentence] = held(given, tmp_path)
    assert (code, sentence) == (FAIL, "kill-master, system: fail, and pass is expected, in trial 0")


def test_a_void_trial_is_not_known_and_never_a_surprise(tmp_path: Path):
    void = Doubt(name="fault unproved", text="no process was seen to end", voids=True)
    given = played(46.0, 12.0)
    trials = (given.trials[0], replace(given.trials[1], verdict=Verdict.INCONCLUSIVE, doubts=(void,)))
    code, sentences = held(replace(given, trials=trials), tmp_path)
    assert code == INCONCLUSIVE
    assert "kill-master, service/new: 1 of 2 trials are undecided" in sentences


def test_an_undecided_target_is_not_known(tmp_path: Path):
    given = played(46.0)
    [only] = given.trials
    unsure = replace(
        only.paths["sentinel/new"], targets={"recovery": replace(target(15, 6, gate=True), verdict="undecided")}
    )
    given = replace(given, trials=(replace(only, paths=only.paths | {unsure.name: unsure}),))
    assert held(given, tmp_path)[0] == INCONCLUSIVE


def test_a_path_that_worked_in_part_is_not_known(tmp_path: Path):
    """Nothing is held to it, so that its trial passes. It is in no list of what is expected either."""
    given = played(46.0)
    [only] = given.trials
    no_more = {"recovery": replace(target(15, None, gate=True), verdict="not-applicable")}
    half = replace(only.paths["sentinel/new"], state="unreliable", targets=no_more)
    given = replace(given, trials=(replace(only, paths=only.paths | {half.name: half}),))
    assert held(given, tmp_path) == (INCONCLUSIVE, ["kill-master, sentinel/new: 1 of 1 trials are undecided"])
    shown = replace(half, targets={"recovery": replace(no_more["recovery"], gate=False)})
    given = replace(given, trials=(replace(only, paths=only.paths | {shown.name: shown}),))
    assert held(given, tmp_path) == (PASS, []), "the scenario says `gate: false`, because it expects this"


def test_an_inconclusive_trial_is_never_green(tmp_path: Path):
    given = played(46.0)
    inconclusive = replace(given.trials[0], experiment="tick", verdict=Verdict.INCONCLUSIVE, paths={}, targets={})
    given = replace(given, trials=(*given.trials, inconclusive))
    assert held(given, tmp_path) == (INCONCLUSIVE, ["tick, system: 1 of 1 trials are undecided"])


def test_the_nightly_run_plays_what_expected_yaml_knows(monkeypatch: pytest.MonkeyPatch, capsys):
    """Its gate is red on everything else that does not pass, and on an entry that was not played: every night."""
    workflow = yaml.safe_load((shipped() / ".github/workflows/nightly.yml").read_text())
    [play] = [one["run"] for one in workflow["jobs"]["kind"]["steps"] if one.get("id") == "play"]
    options = workflow[True]["workflow_dispatch"]["inputs"]["options"]["default"]  # YAML 1.1 reads `on` as true
    assert f"|| '{options}'" in play
    monkeypatch.chdir(shipped())
    assert entry(["run", "--on", "kind", *options.split(), "--dry-run"]) == PASS
    played = set(re.findall(r"([\w-]+) × \d+", capsys.readouterr().out))
    assert played == {one.experiment for one in gates.expected(shipped() / "expected.yaml")}


def test_two_entries_for_one_path_are_refused(tmp_path: Path):
    second = KNOWN.partition("expected:\n")[2].replace("verdict: fail", "verdict: any")
    with pytest.raises(ScenarioError, match="kill-master, service/new has two entries"):
        gates.expected(file(tmp_path, KNOWN + second))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[6s, 67s]", "[67s, 6s]"), "range: kill-master, service/new: it ends before it begins"),
        (("owner:", "onwer:"), "expected.yaml:"),
        (("verdict: fail", "verdict: late"), "verdict"),
        (("[6s, 67s]", "[6, 67s]"), "range"),
        (("until: 2027-03-01", "until: soon"), "until"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, change: tuple[str, str], said: str):
    with pytest.raises(ScenarioError, match=said):
        gates.expected(file(tmp_path, KNOWN.replace(*change)))


def test_a_night_that_did_not_report_is_said():
    now = datetime(2026, 11, 26, 14, 0, tzinfo=UTC)
    assert gates.too_old({"started": "2026-11-25T02:17:00Z"}, 36 * 3600, now) == ""
    assert gates.too_old({"started": "2026-11-24T02:00:00Z"}, 36 * 3600, now).startswith(
        "the newest campaign began 60.0 h ago"
    )
    assert gates.too_old({}, 36 * 3600, now)


def put(folder: Path, result: CampaignResult, started: str) -> None:
    folder.mkdir(parents=True)
    manifest = {**result.manifest, "started": started}
    trials = tuple(replace(one, t0=started) for one in result.trials)
    given = replace(result, name=folder.name, manifest=manifest, trials=trials)
    (folder / "summary.json").write_text(summary.to_json(given))


def nights(folder: Path, *, tonight_s: float) -> Path:
    """Twenty nights of ten trials, and tonight, so much slower."""
    draw = random.Random(7)
    for number in range(21):
        later_s = tonight_s if number == 20 else 0.0
        back_s = (6 + draw.uniform(0, 0.6) + later_s for _ in range(10))
        put(folder / f"2026-11-{number + 1:02d}T0217-x", played(*back_s), f"2026-11-{number + 1:02d}T02:17:00Z")
    return folder


def test_a_slower_night_is_an_alarm_and_red_only_when_fresh_trials_say_so_too(tmp_path: Path, capsys):
    found = nights(tmp_path / "nights", tonight_s=1.0)
    assert entry(["check", str(found), "--gate", "regression"]) == INCONCLUSIVE
    said = capsys.readouterr().out
    assert "by chance at most one night in 100 has an alarm" in said
    assert "undecided: kill-master lower, service/new: slower than the 14 nights before, +1.1" in said
    assert "pass: kill-master lower, sentinel/new: as the 14 nights before" in said
    assert "an alarm is no regression yet: --confirm plays fresh trials" in said


def test_a_night_like_those_before_is_green_and_says_what_it_could_have_seen(tmp_path: Path, capsys):
    found = nights(tmp_path / "nights", tonight_s=0.0)
    assert entry(["check", str(found / "2026-11-21T0217-x"), "--gate", "regression", "--confirm"]) == PASS
    assert "two nights could show a slowdown of 0." in capsys.readouterr().out


def test_a_night_of_which_every_trial_is_void_is_not_known(tmp_path: Path, capsys):
    found = nights(tmp_path / "nights", tonight_s=0.0)
    doubt = Doubt(name="cut off", text="the trial was cut off", voids=True)
    void = replace(trial(0, 5, 5), verdict=Verdict.INCONCLUSIVE, doubts=(doubt,))
    put(found / "2026-11-22T0217-x", campaign(void), "2026-11-22T02:17:00Z")
    assert entry(["check", str(found), "--gate", "regression"]) == INCONCLUSIVE
    assert "no trial of 2026-11-22T0217-x measured a path that worked" in capsys.readouterr().out


def test_a_night_of_which_most_trials_are_void_is_not_green(tmp_path: Path, capsys):
    found = nights(tmp_path / "nights", tonight_s=0.0)
    doubt = Doubt(name="cut off", text="the trial was cut off", voids=True)
    given = played(*[6.3] * 10)
    void = (replace(one, verdict=Verdict.INCONCLUSIVE, doubts=(doubt,)) for one in given.trials[4:])
    put(found / "2026-11-22T0217-x", replace(given, trials=(*given.trials[:4], *void)), "2026-11-22T02:17:00Z")
    assert entry(["check", str(found), "--gate", "regression"]) == INCONCLUSIVE
    assert "undecided: kill-master: 6 of 10 trials of tonight prove nothing" in capsys.readouterr().out


def test_a_path_that_no_longer_works_is_not_green(tmp_path: Path, capsys):
    """Its trials pass, because nothing is held to a path that works in part."""
    found = nights(tmp_path / "nights", tonight_s=0.0)
    given = played(*[6.3] * 10)
    trials = (replace(one, paths={"sentinel/new": one.paths["sentinel/new"]}) for one in given.trials)
    put(found / "2026-11-22T0217-x", replace(given, trials=tuple(trials)), "2026-11-22T02:17:00Z")
    assert entry(["check", str(found), "--gate", "regression"]) == INCONCLUSIVE
    said = capsys.readouterr().out
    gone = "kill-master lower, service/new: it worked in the 14 nights before, and in no trial of tonight"
    assert f"undecided: {gone}" in said
    assert "pass: kill-master lower, sentinel/new: as the 14 nights before" in said


def test_kept_promises_are_counted_in_trials_in_which_the_first_path_did_not_work_too(tmp_path: Path, capsys):
    found = nights(tmp_path / "nights", tonight_s=0.0)
    before = sorted(found.glob("*/summary.json"))
    for file in before:
        result = summary.load(file)
        kept = tuple(replace(one, verdict=Verdict.PASS) for one in result.trials)
        file.write_text(summary.to_json(replace(result, trials=kept)))
    given = played(*[6.3] * 10)
    good = (replace(one, verdict=Verdict.PASS) for one in given.trials[:4])
    bad = (replace(one, paths={"sentinel/new": one.paths["sentinel/new"]}) for one in given.trials[4:])
    put(found / "2026-11-22T0217-x", replace(given, trials=(*good, *bad)), "2026-11-22T02:17:00Z")
    assert entry(["check", str(found), "--gate", "regression"]) == INCONCLUSIVE
    assert "kill-master lower: fewer trials keep their promises than in the 14 nights" in capsys.readouterr().out


def test_so_few_trials_that_nothing_could_be_seen_are_not_green(tmp_path: Path, capsys):
    for day in (1, 2):
        put(tmp_path / "nights" / f"2026-11-0{day}T0217-x", played(6.0, 6.1), f"2026-11-0{day}T02:17:00Z")
    assert entry(["check", str(tmp_path / "nights"), "--gate", "regression"]) == INCONCLUSIVE
    said = capsys.readouterr().out
    assert "undecided: kill-master lower, service/new: as the night before, but for chance, " in said
    assert "tonight alone could show no slowdown of any size" in said


def test_a_campaign_that_is_named_from_within_is_held_against_the_nights_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    found = nights(tmp_path / "nights", tonight_s=0.0)
    monkeypatch.chdir(found / "2026-11-21T0217-x")
    assert entry(["check", ".", "--gate", "regression"]) == PASS
    assert "as the 14 nights before" in capsys.readouterr().out


@pytest.mark.parametrize("gate", ["claim", "known", "regression"])
def test_the_night_before_is_not_judged_in_place_of_one_that_was_killed(tmp_path: Path, capsys, gate: str):
    found = nights(tmp_path / "nights", tonight_s=0.0)
    killed = found / "2026-11-22T0217-x"
    killed.mkdir()
    (killed / "campaign.json").write_text("{}")
    assert entry(["check", str(found), "--gate", gate]) == 2
    assert f"{killed / 'summary.json'} is not there; `failover analyse {killed}` makes it" in capsys.readouterr().err


def test_a_first_night_is_neither_red_nor_green(tmp_path: Path, capsys):
    put(tmp_path / "nights" / "2026-11-24T0217-x", played(6.0, 6.1), "2026-11-24T02:17:00Z")
    assert entry(["check", str(tmp_path / "nights"), "--gate", "regression"]) == INCONCLUSIVE
    assert "no matching night before" in capsys.readouterr().out


def test_the_newest_of_a_directory_is_checked(tmp_path: Path, capsys):
    put(tmp_path / "nights" / "2026-11-24T0217-x", played(46.0, 12.0), "2026-11-24T02:17:00Z")
    put(tmp_path / "nights" / "2026-11-25T0217-x", played(46.0), "2026-11-25T02:17:00Z")
    known = ["check", str(tmp_path / "nights"), "--gate", "known", "--expected", str(file(tmp_path))]
    assert entry(known) == PASS
    assert "pass: kill-master, service/new: fail, as expected" in capsys.readouterr().out
    assert entry(["check", str(tmp_path / "nights"), "--gate", "claim"]) == FAIL
    assert entry([*known, "--max-age", "1s"]) == FAIL
    assert "fail: the newest campaign began" in capsys.readouterr().out
    assert entry([*known, "--max-age", "36"]) == 2


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_an_alarm_is_confirmed_by_twice_as_many_fresh_trials_that_are_no_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    """On the cluster in memory, where no trial measures anything: nothing is confirmed or refuted."""
    monkeypatch.setitem(PLATFORMS, "fake", Registered(of="tests.fake_cluster:platform"))
    monkeypatch.chdir(HERE)
    found = nights(tmp_path / "nights", tonight_s=1.0)
    asked = Options(scenario=str(scenario_file(tmp_path)), experiments=("kill-master",))
    options = {**asdict(asked), "out": "elsewhere"}
    newest = found / "2026-11-21T0217-x" / "summary.json"
    result = summary.load(newest)
    manifest = {**result.manifest, "trials": 1, "cluster": "fake", "options": options}
    newest.write_text(summary.to_json(replace(result, manifest=manifest)))

    assert entry(["check", str(found), "--gate", "regression", "--confirm"]) == INCONCLUSIVE
    [fresh] = (found / "confirmations").iterdir()
    assert len(list(fresh.glob("trial-*"))) == 2
    said = capsys.readouterr().out
    assert f"the alarm is neither confirmed nor refuted by 0 of 2 fresh trials that measured it, {fresh}" in said
    assert entry(["check", str(found), "--gate", "regression"]) == INCONCLUSIVE, "fresh trials are no night"
