"""A campaign from its directory to the first lines of its report."""

import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.analysis.analyse import analyse
from chaos.analysis.result import CampaignResult, Verdict
from chaos.analysis.wording import breakable
from chaos.errors import RecordingError
from tests.recordings import Story, build_sample_campaign, kill_master, no_fault, write_campaign


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> CampaignResult:
    return analyse(build_sample_campaign(tmp_path_factory.mktemp("campaign")))


def test_the_first_sentence_says_what_failed_and_what_never_worked(sample: CampaignResult):
    first = sample.headline["verdict"].partition(" 1 of 1 delete")[0]
    assert first == (
        "1 of 1 kill-master trial was back later than 15 s through rfrm-redis-cluster: 51.9 s; the address that "
        "clients were given, rfr-redis-cluster:6379, never worked (name not found, 0 of 39)."
    )


def test_what_did_better_in_the_same_trials_is_advised(sample: CampaignResult):
    assert (
        "Let clients ask Sentinel: in these same trials it took 6.5 s in kill-master and 0.9 s in delete-master"
        in sample.headline["do"]
    )


def test_what_the_settings_allow_stands_beside_what_was_seen(sample: CampaignResult):
    assert (
        "kill-master: these settings allow 36 to 67 s through rfrm-redis-cluster (seen: 51.9 s in 1 trial)"
        in sample.headline["expect"]
    )
    assert "delete-master: these settings allow 62 to 98 s" in sample.headline["expect"]
    assert "1 365 after the fault" in breakable(sample.headline["expect"])


def test_what_the_settings_of_one_variant_allow_is_not_pooled_with_those_of_another(tmp_path: Path):
    directory = write_campaign(tmp_path, [kill_master(0, back_s=45.9), kill_master(1, back_s=51.9)])
    for number, variant in enumerate("ab"):
        file = directory / f"trial-{number:03d}" / "manifest.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"variant": variant}))
    said = analyse(directory).headline["expect"]
    assert "kill-master a: these settings allow 36 to 67 s through rfrm-redis-cluster (seen: 45.9 s in 1 trial)" in said
    assert "kill-master b: these settings allow 36 to 67 s through rfrm-redis-cluster (seen: 51.9 s in 1 trial)" in said


def test_it_fails_by_a_rule_that_it_names(sample: CampaignResult):
    assert sample.verdict is Verdict.FAIL
    assert sample.rule == "a gate failed in 2 of 2 trials"


def test_three_trials_alike_share_their_phase(tmp_path: Path):
    result = analyse(write_campaign(tmp_path, [kill_master(n, back_s=50.9 + n) for n in range(3)]))
    assert result.headline["verdict"].startswith("3 of 3 kill-master trials were back later than 15 s")
    assert "50.9 to 52.9 s" in result.headline["verdict"]
    assert result.headline["why"].startswith(
        "88 % of the outage is the endpoint phase in all 3 trials. In the longest: 89 %"
    )
    assert "it took 6.5 s in kill-master" in result.headline["do"]


def test_of_many_experiments_a_line_names_three_or_tells_them_together(tmp_path: Path):
    """A line that names ten is read by nobody."""
    paths = ("service", "sentinel")
    late = [replace(kill_master(n, paths=paths, back_s=50.0), experiment=f"kill-{n}") for n in range(5)]
    lines = analyse(write_campaign(tmp_path / "late", late)).headline
    assert "2 more experiments failed." in lines["verdict"]
    assert "it took 6.5 s in 5 experiments." in lines["do"]
    assert "The table of claims has what they allow in 2 more experiments." in lines["expect"]
    in_time = [replace(kill_master(n, paths=paths, back_s=10.0), experiment=f"kill-{n}") for n in range(5)]
    assert "to the end: 5 of 5 trials, " in analyse(write_campaign(tmp_path / "in-time", in_time)).headline["verdict"]


def test_a_pass_says_its_strength(tmp_path: Path):
    result = analyse(
        write_campaign(tmp_path, [kill_master(n, back_s=10.0, paths=("service", "sentinel")) for n in range(3)])
    )
    assert result.verdict is Verdict.PASS
    assert '3 of 3 supports "at least 37 % of such failovers"' in result.headline["do"]
    assert result.groups[0].strength.startswith("3 of 3 supports")


def test_an_inconclusive_one_says_what_is_not_known(tmp_path: Path):
    result = analyse(write_campaign(tmp_path, [kill_master(0, back_s=10.0), kill_master(1, back_s=10.0, closed=None)]))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.headline["verdict"].startswith("1 of 2 trials proves nothing: the trial was cut off")


def test_the_control_has_nothing_to_explain(tmp_path: Path):
    result = analyse(write_campaign(tmp_path, [no_fault(n) for n in range(2)]))
    assert '2 of 2 supports "at least 22 % of such trials"' in result.headline["do"]
    assert result.verdict is Verdict.PASS
    assert result.headline["why"] == "No path that worked had an outage."
    assert "2 of 2 no-fault trials, no outage" in result.headline["verdict"]


def test_an_outage_in_the_control_is_said_so(tmp_path: Path):
    result = analyse(write_campaign(tmp_path, [no_fault().out("service", 3.0, 3.5)]))
    assert "had an outage through rfrm-redis-cluster though nothing was done" in result.headline["verdict"]


def test_a_campaign_without_trials_is_inconclusive(tmp_path: Path):
    result = analyse(write_campaign(tmp_path, []))
    assert (result.verdict, result.trials) == (Verdict.INCONCLUSIVE, ())
    assert result.headline["verdict"] == "No trial was recorded."


def planned(directory: Path, **changes: object) -> Path:
    """Change what campaign.json says."""
    file = directory / "campaign.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return directory


class TestNotThere:
    """A trial that was planned and is not there proves nothing, whoever took it away."""

    def test_it_makes_a_pass_inconclusive(self, tmp_path: Path):
        campaign = planned(write_campaign(tmp_path, [no_fault(n) for n in range(3)]), trials=3)
        assert analyse(campaign).verdict is Verdict.PASS
        shutil.rmtree(campaign / "trial-001")
        result = analyse(campaign)
        assert result.verdict is Verdict.INCONCLUSIVE
        said = "1 of 3 trials was not played or is no longer there (trial 1)"
        assert result.rule == f"no gate failed, and {said}"
        assert said in result.headline["verdict"]
        assert "--resume" in result.headline["do"]

    def test_of_an_interrupted_campaign_the_last_ones_are_missing(self, tmp_path: Path):
        campaign = planned(write_campaign(tmp_path, [no_fault(n) for n in range(2)]), trials=10)
        result = analyse(campaign)
        assert result.verdict is Verdict.INCONCLUSIVE
        assert result.rule.endswith("8 of 10 trials were not played or are no longer there (trials 2–9)")

    def test_every_experiment_and_every_variant_was_planned(self, tmp_path: Path):
        campaign = write_campaign(tmp_path, [no_fault(n) for n in range(2)])
        assert "2 of 4 trials" in analyse(planned(campaign, trials=2, experiments=["no-fault", "kill-master"])).rule
        assert "6 of 8 trials" in analyse(planned(campaign, options={"variants": {"a": {}, "b": {}}})).rule

    def test_a_fail_stays_one_and_says_it_too(self, tmp_path: Path):
        result = analyse(planned(write_campaign(tmp_path, [kill_master(back_s=50.0)]), trials=2))
        assert result.verdict is Verdict.FAIL
        assert result.rule.startswith("a gate failed in 1 of 1 trials; 1 of 2 trials was not played")
        assert result.headline["verdict"].endswith("1 of 2 trials was not played or is no longer there (trial 1).")

    def test_nothing_is_missing_where_more_was_played_than_planned(self, tmp_path: Path):
        """As under pytest, which asks for one trial after the other."""
        result = analyse(write_campaign(tmp_path, [no_fault(n) for n in range(3)]))
        assert (result.verdict, result.rule) == (Verdict.PASS, "every gate passed in all 3 trials")

    def test_a_copy_does_not_stand_for_it(self, tmp_path: Path):
        campaign = write_campaign(tmp_path, [no_fault(n) for n in range(2)])
        shutil.rmtree(campaign / "trial-000")
        shutil.copytree(campaign / "trial-001", campaign / "trial-000")
        with pytest.raises(RecordingError, match="trial-001 and trial-000 are both trial 1"):
            analyse(campaign)


def test_what_is_no_campaign_is_refused(tmp_path: Path):
    with pytest.raises(RecordingError):
        analyse(tmp_path)


def test_the_same_directory_gives_the_same_result(tmp_path: Path):
    campaign = build_sample_campaign(tmp_path)
    assert analyse(campaign) == analyse(campaign)


class TestCutOff:
    """Whatever step a trial dies at, it has a result: inconclusive, and where it died."""

    def dead(self, tmp_path: Path, *gone: str) -> CampaignResult:
        campaign = write_campaign(
            tmp_path, [kill_master().event("step", -3.0, number=4, name="baseline", state="begun")]
        )
        trial = campaign / "trial-000"
        for pattern in ("closed", *gone):
            for path in trial.glob(pattern):
                path.unlink()
        return analyse(campaign)

    @pytest.mark.parametrize(
        "gone",
        [
            (),
            ("audit/*",),
            ("logs/*",),
            ("ops/*", "audit/*"),
            ("events/agent.jsonl",),
            ("events/host.jsonl",),
            ("events/*", "ops/*", "audit/*", "logs/*"),
            ("events/*", "ops/*", "audit/*", "logs/*", "*.json"),
        ],
        ids=lambda gone: "-".join(gone) or "whole",
    )
    def test_without(self, tmp_path: Path, gone: tuple[str, ...]):
        (trial,) = self.dead(tmp_path, *gone).trials
        assert trial.verdict is Verdict.INCONCLUSIVE
        assert trial.ended.startswith("cut off")

    def test_says_where(self, tmp_path: Path):
        assert self.dead(tmp_path).trials[0].ended == "cut off in step 4, baseline"

    @pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9])
    def test_in_the_middle_of_every_file(self, tmp_path: Path, share: float):
        campaign = write_campaign(tmp_path, [kill_master()])
        trial = campaign / "trial-000"
        (trial / "closed").unlink()
        for path in [*trial.glob("events/*"), *trial.glob("ops/*"), *trial.glob("logs/*")]:
            data = path.read_bytes()
            path.write_bytes(data[: max(4096, int(len(data) * share))])
        assert analyse(campaign).trials[0].verdict is Verdict.INCONCLUSIVE


def test_ten_trials_of_the_usual_size_take_seconds(tmp_path: Path):
    """The budget is 5 s with the report, on two cores; here for one trial, with room for a busy machine."""
    story: Story = kill_master(meters=6, length_s=150.0)
    campaign = write_campaign(tmp_path, [story])
    begun = time.process_time()
    analyse(campaign)
    assert time.process_time() - begun < 2


def place(directory: Path, number: int, kind: str) -> None:
    """Have one trial say that it was on that kind of cluster."""
    file = directory / f"trial-{number:03d}" / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["cluster"]["kind"] = kind
    file.write_text(json.dumps(manifest))


def test_a_modelled_system_is_said_first_by_what_the_trials_say_themselves(tmp_path: Path):
    directory = build_sample_campaign(tmp_path)
    for number in range(2):
        place(directory, number, "local")
    result = analyse(directory)

    assert result.cluster == "local"
    assert result.headline["verdict"].startswith("MODELLED (no Kubernetes, no operator): 1 of 1 kill-master")


def test_trials_of_different_kinds_of_cluster_are_not_pooled(tmp_path: Path):
    directory = build_sample_campaign(tmp_path)
    place(directory, 1, "local")
    with pytest.raises(RecordingError, match=r"trial-000 is of kind, trial-001 is of local.*analyse them apart"):
        analyse(directory)


def test_a_trial_that_died_before_its_manifest_is_of_no_kind(tmp_path: Path):
    directory = build_sample_campaign(tmp_path)
    (directory / "trial-000" / "manifest.json").unlink()

    assert analyse(directory).cluster == "kind"
