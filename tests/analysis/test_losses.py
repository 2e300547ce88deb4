"""Acknowledged and missing; and when the audit cannot tell."""

import numpy as np
import pytest

from chaos.analysis.history import History
from chaos.analysis.interval import Interval
from chaos.analysis.losses import find_losses as losses
from chaos.analysis.losses import phantoms
from chaos.model import Outcome
from tests.analysis.conftest import Placed
from tests.recordings import Story, delete_master, write_trial
from tests.recordings.load import write_bits
from tests.recordings.world import IPS, PODS, run_id


def test_nothing_is_lost_where_every_key_is_there(placed: Placed):
    found = losses(placed(Story().fault()))
    assert (found.lost, found.undecided, found.acknowledged) == (Interval.at(0), "", 4 * 1300)


def test_what_a_demoted_master_acknowledged_is_lost_and_placed(placed: Placed):
    found = losses(placed(delete_master()))
    service = next(place for place in found.places if place.path == "service/new")
    assert service.node == PODS[0]
    assert service.to_s - service.from_s == pytest.approx(10.9, abs=0.05)
    assert found.after == found.lost == Interval.at(sum(place.count for place in found.places))
    assert {place.lost_class for place in found.places} == {"after"}


def test_spells_of_loss_are_kept_apart(placed: Placed):
    story = Story().fault().acknowledged_then_lost("service", 1.0, 1.5, connection="new")
    found = losses(placed(story.acknowledged_then_lost("service", 8.0, 8.5, connection="new")))
    assert [place.count for place in found.places] == [25, 25]


def test_unknown_and_present_is_recovered_and_not_lost(placed: Placed, tmp_path):
    story = Story(paths=("service",)).fault().out("service", 1.0, 2.0, outcome=Outcome.UNKNOWN)
    trial = write_trial(story, tmp_path)
    for client in story.clients:
        kept = story.load(client).kept()
        kept[:] = True
        write_bits(trial / "audit" / f"{client.number}.bits", kept)
    history = History.load(trial)
    found = losses(history)
    assert (found.recovered, found.lost, phantoms(history)) == (100, Interval.at(0), 0)


def test_surely_not_applied_and_present_is_a_fault_of_ours(placed: Placed, tmp_path):
    story = Story(paths=("service",)).fault().out("service", 1.0, 2.0, outcome=Outcome.FAILED)
    trial = write_trial(story, tmp_path)
    kept = story.load(story.clients[0]).kept()
    kept[:] = True
    write_bits(trial / "audit" / "0.bits", kept)
    assert phantoms(History.load(trial)) == 50


class TestClasses:
    """What everybody had, what asynchronous replication may lose, and what a master promised that was none any more."""

    @pytest.mark.parametrize(
        ("from_s", "to_s", "classes"),
        [(-4.0, -3.0, (50, 0, 0)), (-0.5, 0.0, (0, 25, 0)), (2.0, 3.0, (0, 0, 50)), (-1.5, -0.5, (25, 25, 0))],
    )
    def test_by_when_the_write_was_acknowledged(
        self, placed: Placed, from_s: float, to_s: float, classes: tuple[int, int, int]
    ):
        story = Story().fault().acknowledged_then_lost("service", from_s, to_s, connection="new")
        found = losses(placed(story))
        assert (found.before, found.tail, found.after) == tuple(Interval.at(count) for count in classes)

    def test_where_several_masters_were_read_the_losses_are_an_interval(self, placed: Placed, tmp_path):
        trial = write_trial(Story().fault().acknowledged_then_lost("service", 2.0, 3.0, connection="new"), tmp_path)
        other = trial / "audit" / "10.244.2.4:6379"
        other.mkdir()
        for file in list((trial / "audit").glob("*.bits")):
            kept = np.unpackbits(np.frombuffer(file.read_bytes(), np.uint8), bitorder="little").astype(bool)
            kept[: 10 if file.stem == "0" else 0] = False
            kept[350:450] = True
            write_bits(other / file.name, kept)
        found = losses(History.load(trial))
        assert (found.before, found.after) == (Interval(0, 10), Interval(0, 50))


class TestUndecided:
    def test_without_an_audit(self, placed: Placed):
        found = losses(placed(Story(audited=False).fault()))
        assert (found.lost, found.undecided) == (None, "there was no audit")

    def test_when_the_agent_says_so(self, placed: Placed):
        story = Story().fault().event("audit", 21.0, "agent", address="", undecided="the keys could not be read back")
        assert losses(placed(story)).undecided == "the keys could not be read back"

    def test_when_keys_were_evicted(self, placed: Placed):
        story = Story().fault().event("audit", 22.0, "agent", address=f"{IPS[0]}:6379", undecided="")
        story.event(
            "sanity", 21.0, "agent", member=PODS[0], run_id=run_id(0), evicted_keys=7, masters=[f"{IPS[0]}:6379"]
        )
        assert losses(placed(story)).undecided == f"{PODS[0]} evicted 7 keys"

    def test_what_was_evicted_before_is_not_ours(self, placed: Placed):
        story = Story().fault().event("audit", 22.0, "agent", address=f"{IPS[0]}:6379", undecided="")
        for at_s in (-6.0, 21.0):
            story.sanity(at_s, evicted_keys=7)
        assert losses(placed(story)).undecided == ""

    def test_when_a_client_was_not_looked_for(self, placed: Placed, tmp_path):
        trial = write_trial(Story().fault(), tmp_path)
        (trial / "audit" / "0.bits").unlink()
        assert "were not looked for" in losses(History.load(trial)).undecided
