"""Campaigns of several variants of a scenario, on the cluster in memory: pairs, their seeds, and what is refused."""

from pathlib import Path

import pytest

from chaos.campaign import Campaign, run
from chaos.cli import entry
from chaos.errors import ScenarioError
from chaos.options import PLATFORMS, Options, Registered, of_variant
from chaos.progress import Message, Tell
from tests import fakes
from tests.fakes import choose_the_fake, read

VARIANTS = {"a": {}, "b": {"limits.watch": "700ms"}}


@pytest.fixture(autouse=True)
def _on_the_fake(monkeypatch: pytest.MonkeyPatch) -> None:
    choose_the_fake(monkeypatch, own_system=True)


def options(folder: Path, **changes: object) -> Options:
    return fakes.options(folder, **{"trials": 6, "variants": VARIANTS} | changes)


def test_the_trials_of_a_pair_follow_each_other_with_one_seed_and_one_first_master(tmp_path: Path) -> None:
    planned = Campaign(options(tmp_path), lambda _: None).plan()

    assert [one.number for one in planned] == list(range(12))
    pairs = [planned[first : first + 2] for first in range(0, 12, 2)]
    assert all({one.variant for one in pair} == {"a", "b"} for pair in pairs)
    assert all(len({(one.seed, one.turn, one.nth) for one in pair}) == 1 for pair in pairs)
    assert len({pair[0].seed for pair in pairs}) == 6
    assert len({pair[0].variant for pair in pairs}) == 2, (
        "the order in a pair is drawn, so that neither is always first"
    )


@pytest.mark.slow
def test_each_variant_is_played_as_it_is_set_and_told_apart(tmp_path: Path) -> None:
    told: list[Message] = []
    result, directory = run(options(tmp_path, trials=1), told.append)

    manifests = {one["variant"]: one for one in (read(path) for path in directory.glob("trial-*/manifest.json"))}
    assert {name: one["scenario"]["limits"]["watch"] for name, one in manifests.items()} == {"a": "0.6s", "b": "0.7s"}
    assert manifests["a"]["seed"] == manifests["b"]["seed"]
    assert sorted(group.variant for group in result.groups) == ["a", "b"]
    assert told[0].tell is Tell.CAMPAIGN
    assert told[0].data["variants"] == ["a", "b"]

    (directory / "trial-001" / "closed").unlink()
    again, _ = run(Options(resume=directory), lambda _: None)
    assert [trial.ended for trial in again.trials] == ["complete"] * 2
    assert sorted(trial.variant for trial in again.trials) == ["a", "b"]


def test_a_variant_that_cannot_be_loaded_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"--set limits\.wach=1s: limits\.wach: no such key"):
        Campaign(options(tmp_path, variants={"a": {}, "b": {"limits.wach": "1s"}}), lambda _: None)
    assert not (tmp_path / "reports").exists()


def test_one_system_for_all_trials_has_no_variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PLATFORMS, "fake", Registered(of="tests.fake_cluster:platform"))
    with pytest.raises(ScenarioError, match="variants are played side by side on local only"):
        Campaign(options(tmp_path), lambda _: None)


def test_settings_of_servers_have_a_short_name() -> None:
    assert of_variant([("redis.min-replicas-to-write", "1"), ("limits.watch", "5s")]) == {
        "system.settings.redis.min-replicas-to-write": "1",
        "limits.watch": "5s",
    }


def test_two_variants_that_do_not_differ_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry(["ab", "sentinel", "--a", "redis.hz=10", "--b", "redis.hz=10"]) == 2
    assert "the two do not differ" in capsys.readouterr().err
