"""One trial on the cluster in memory, from its spec to its closed directory."""

import re
from pathlib import Path

import pytest

from chaos.progress import Tell
from chaos.record.events import ClientsStarted
from tests.fakes import Played, read, trial_spec
from tests.saying import said

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played(trial_spec(tmp_path_factory.mktemp("killed")))


def test_it_ends_complete_and_leaves_every_part_of_a_recording(killed: Played) -> None:
    assert killed.code == 0
    assert killed.closed["ended"] == "complete"
    assert killed.closed["step"] == 8
    assert {path.name for path in killed.directory.iterdir()} == {
        *("manifest.json", "settings.json", "journal.json", "closed", "ops", "events", "audit")
    }


def test_its_steps_are_recorded_in_their_order(killed: Played) -> None:
    begun = [event.event.name for event in killed.events if event.event.kind == "step" and event.event.state == "begun"]

    assert begun == ["check", "agent", "healthy", "baseline", "wait", "experiment", "watch", "audit"]


def test_the_fault_is_an_interval_with_a_proof(killed: Played) -> None:
    by_kind = {event.event.kind: event for event in killed.events if event.event.kind.startswith("fault.")}

    assert set(by_kind) == {"fault.requested", "fault.accepted", "fault.effect", "fault.confirmed"}
    assert by_kind["fault.requested"].event.target == {
        "name": "rfr-redis-cluster-0",
        "ordinal": 0,
        "address": "10.0.1.0:6379",
        "run_id": "run-rfr-redis-cluster-0",
    }
    effect = by_kind["fault.effect"]
    assert effect.since_ns is not None
    assert by_kind["fault.requested"].at_ns <= effect.since_ns <= effect.at_ns <= by_kind["fault.confirmed"].at_ns


def test_the_manifest_says_what_was_played_and_on_which_clocks(killed: Played) -> None:
    manifest = read(killed.directory / "manifest.json")

    assert manifest["experiment"]["name"] == "kill-master"
    assert manifest["experiment"]["expects"] == "failover"
    assert manifest["scenario"]["limits"]["watch"] == "0.6s"
    assert manifest["domains"]["host"] == manifest["domains"]["agent"]
    assert manifest["domains"]["host"]["boot_id"]
    assert manifest["deadline_s"] == 0.1
    assert {(one["path"], one["connection"]) for one in manifest["clients"]} == {
        (path, way) for path in ("service", "sentinel", "given") for way in ("new", "kept")
    }


def test_the_random_wait_follows_from_the_seed(killed: Played, tmp_path: Path) -> None:
    """The same seed waits as long again; the wait is below the scenario's longest period."""
    again = Played(trial_spec(tmp_path))
    waits = [said(event) for one in (killed, again) for event in one.events if event.event.kind == "random-wait"]

    assert waits[0] == waits[1]
    assert 0 <= waits[0]["seconds"] < waits[0]["period_s"] == 0.2


def test_who_watches_hears_of_everything_once(killed: Played) -> None:
    seen = [data["name"] for data in killed.told(Tell.SEEN)]

    assert {
        "detection",
        "quorum",
        "failover start",
        "promotion",
        "first failed operation",
        "recovered, service/new",
    } <= set(seen)
    assert "endpoint" in seen
    assert len(seen) == len(set(seen))


def test_a_path_that_never_worked_is_said_once_and_holds_nothing_up(killed: Played) -> None:
    notes = [data["text"] for data in killed.told(Tell.NOTE)]

    assert notes[0] == "given (rfr-redis-cluster:6379) never worked: the name does not resolve"


def test_watching_on_is_marked_from_recovery_to_the_end_of_the_watch(killed: Played) -> None:
    begin, end = (
        next(one.at_ns for one in killed.events if one.event.kind == kind) for kind in ("watch.begin", "watch.end")
    )

    assert (end - begin) / 1e9 >= 0.6


def test_a_partition_is_healed_in_the_method_and_again_unconditionally(tmp_path: Path) -> None:
    """Each heal that undoes something is an event; the ones that find nothing are none."""
    file = tmp_path / "partition-master.yaml"
    ours = (Path(__file__).parent.parent.parent / "experiments" / file.name).read_text()
    file.write_text(ours.replace("seconds: 90", "seconds: 0.8"))
    played = Played(trial_spec(tmp_path, experiment=file))

    assert played.code == 0, played.messages
    assert played.undone.count("cut of rfr-redis-cluster-0") == 1
    assert played.kinds("fault.heal") == ["fault.heal_requested", "fault.heal_confirmed"]
    effect, heal = (
        next(one for one in played.events if one.event.kind == kind)
        for kind in ("fault.effect", "fault.heal_requested")
    )
    assert (heal.at_ns - effect.at_ns) / 1e9 >= 0.75


@pytest.mark.parametrize(
    ("name", "disturbance"),
    [
        ("drain-node", "drain"),
        ("cordon-node", "cordon"),
        ("stop-node", "stop_node"),
        ("stop-kubelet", "stop_kubelet"),
        ("operator-away", "scale_away"),
    ],
)
def test_what_is_done_to_a_node_or_to_the_operator_is_written_down_proved_and_undone(
    tmp_path: Path, name: str, disturbance: str
) -> None:
    file = tmp_path / f"{name}.yaml"
    ours = (Path(__file__).parent.parent.parent / "experiments" / file.name).read_text()
    file.write_text(re.sub(r"seconds: \d+", "seconds: 0.8", ours))
    played = Played(trial_spec(tmp_path, experiment=file))

    assert played.code == 0, played.messages
    assert played.closed["ended"] == "complete"
    assert played.undone.count(disturbance) == 1
    faults = [one.event for one in played.events if one.event.kind in ("fault.confirmed", "fault.heal_confirmed")]
    assert [one.fault for one in faults].count(disturbance) == 2, "it was proved, and so was its heal"


def test_no_fault_has_an_effect_at_once_and_no_failover_is_waited_for(tmp_path: Path) -> None:
    file = tmp_path / "no-fault.yaml"
    ours = (Path(__file__).parent.parent.parent / "experiments" / file.name).read_text()
    file.write_text(ours.replace("seconds: 60", "seconds: 0.5"))
    played = Played(trial_spec(tmp_path, experiment=file))

    assert played.code == 0, played.messages
    assert played.closed["ended"] == "complete"
    effect = next(one for one in played.events if one.event.kind == "fault.effect")
    assert effect.at_ns == effect.since_ns
    assert not any(data["name"].startswith("recovered") for data in played.told(Tell.SEEN))


def test_a_delete_is_a_planned_failover(tmp_path: Path) -> None:
    played = Played(trial_spec(tmp_path, experiment="delete-master"))

    seen = {data["name"] for data in played.told(Tell.SEEN)}
    assert played.code == 0
    assert "detection" not in seen
    assert {"failover start", "promotion"} <= seen


def test_a_fault_that_is_not_proved_raises_nothing_and_is_written_as_such(tmp_path: Path) -> None:
    played = Played(trial_spec(tmp_path, "unproved"))

    assert played.code == 0
    assert "fault.unproved" in played.kinds("fault")
    assert "fault.confirmed" not in played.kinds("fault")


def test_not_recovering_within_the_limit_is_data(tmp_path: Path) -> None:
    played = Played(trial_spec(tmp_path, "no-failover"))

    assert played.code == 0
    assert played.closed["ended"] == "complete"
    waited = read(played.directory / "journal.json")["run"][-1]
    assert waited["status"] == "succeeded"
    assert waited["output"].startswith("not recovered within 2 s: sentinel/kept to be back and stable")


def test_a_slow_machine_is_given_a_longer_deadline_and_it_is_said(tmp_path: Path) -> None:
    played = Played(trial_spec(tmp_path, "slow"))

    assert played.code == 0
    assert read(played.directory / "manifest.json")["deadline_s"] == 0.2
    assert any("now 200 ms" in data["text"] for data in played.told(Tell.NOTE))
    assert sorted(path.name for path in (played.directory / "ops").iterdir()) == ["meters-1.rows", "meters.rows"]


def test_a_load_that_is_too_heavy_goes_on_with_fewer_meters_and_it_is_said(tmp_path: Path) -> None:
    spec = trial_spec(tmp_path, "heavy")
    for client in spec.scenario["clients"].values():
        client["count"] = 2
    played = Played(spec)

    assert played.code == 0
    [note] = [data["text"] for data in played.told(Tell.NOTE) if "too heavy" in data["text"]]
    assert "held up" in note
    assert note.endswith("now at most 1 meters of each path run")
    starts = [one.event for one in played.events if isinstance(one.event, ClientsStarted)]
    assert [len(start.left_out) for start in starts] == [0, 6]


def test_a_load_of_one_meter_a_path_cannot_be_made_lighter(tmp_path: Path) -> None:
    played = Played(trial_spec(tmp_path, "heavy"))

    assert played.code == 0
    assert not [data for data in played.told(Tell.NOTE) if "too heavy" in data["text"]]
