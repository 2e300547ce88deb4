"""Doubts that need two of something: a stall and a silence, two words of a replica, two clocks, a key and its row."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chaos.analysis.trial import analyse_trial
from chaos.clock import AGENT
from chaos.record.reader import Rows
from tests.analysis.conftest import Analysed
from tests.recordings import Story, changed, kill_master, write_trial
from tests.recordings.load import write_bits
from tests.recordings.world import IPS, ns


def doubts(directory: Path) -> list[tuple[str, bool]]:
    return [(one.name, one.voids) for one in analyse_trial(directory).doubts]


def silent(begin_s: float, end_s: float) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What the agent told of its hiccups in that time it told at its begin."""

    def moved(line: dict[str, Any]) -> dict[str, Any]:
        inside = line["kind"] == "hiccups" and ns(begin_s) < line["at_ns"] < ns(end_s)
        return line | {"at_ns": ns(begin_s)} if inside else line

    return moved


@pytest.mark.parametrize(
    ("stalled_until_s", "voids"),
    [(None, True), (9.0, False), (-1.0, True)],
    ids=["no stall", "then", "at another time"],
)
def test_a_silence_is_excused_by_a_stall_at_that_time(tmp_path: Path, stalled_until_s: float | None, voids: bool):
    story = Story(paths=("service",)).fault().out("service", 1.0, 2.0)
    if stalled_until_s is not None:
        story.event("hiccup", stalled_until_s, AGENT, late_ns=3_900_000_000)
    directory = write_trial(story, tmp_path)
    changed.each_event(directory, silent(5.0, 9.0))
    assert (("agent silent", True) in doubts(directory)) is voids


def test_a_key_of_an_operation_that_was_surely_not_applied_voids(tmp_path: Path):
    story = Story(paths=("service",)).fault().out("service", 1.0, 2.0)
    directory = write_trial(story, tmp_path)
    write_bits(directory / "audit" / "0.bits", np.ones(1300, bool))
    assert ("outcomes", True) in doubts(directory)


def test_operations_of_a_clock_that_is_not_the_one_they_name_void(tmp_path: Path):
    directory = write_trial(Story(paths=("service", "app")).fault().out("service", 1.0, 2.0), tmp_path)

    def moved(header: dict[str, Any], rows: Rows) -> Rows:
        if header["clients"][0]["kind"] == "application":
            header["timens"] = "monotonic 9 0 boottime 0 0"
        return rows

    changed.each_row(directory, moved)
    assert ("clock", True) in doubts(directory)


def test_every_clock_that_is_not_known_is_told(analysed: Analysed):
    story = Story(paths=("service",)).fault().out("service", 1.0, 2.0)
    for domain in ("node/a", "node/b"):
        identity: dict[str, Any] = {"boot_id": domain, "timens": "", "mono_ns": 0, "wall_ns": 0}
        story.event("clock.domain", -5.0, domain, **identity)
        story.event("step", 1.0, domain, number=1, name="x", state="begun")
    told = [one.text for one in analysed(story).doubts if one.name == "clock"]
    assert [any(domain in text for text in told) for domain in ("node/a", "node/b")] == [True, True]


@pytest.mark.parametrize(
    ("words", "voids"),
    [
        ([(3.0, "slave"), (4.0, "slave")], True),
        ([(3.0, "slave"), (6.0, "slave")], False),
        ([(3.0, "master"), (4.0, "slave")], False),
    ],
    ids=["two words beside each other", "far apart", "one word"],
)
def test_two_words_of_a_replica_show_that_it_acknowledged_nothing(
    analysed: Analysed, words: list[tuple[float, str]], voids: bool
):
    """The first Redis is said to answer all operations."""
    story = Story(paths=("service",)).fault()
    for at_s, role in words:
        story.role(at_s, 0, role, IPS[0])
    assert ("outcomes" in [one.name for one in analysed(story).doubts]) is voids


def test_a_source_that_was_silent_before_the_fault_is_not_told(analysed: Analysed):
    story = Story(paths=("service",)).fault().out("service", 1.0, 2.0)
    story.event("gap", -2.0, since_s=-4.0, source="pods", text="refused")
    assert "gap" not in [one.name for one in analysed(story).doubts]


class TestAllowed:
    """What the settings allow depends on whether the killed process came back in place, and before +sdown."""

    def least(self, analysed: Analysed, at_s: float, *, replaced: bool, healed: bool = False) -> float | None:
        story = kill_master(back_s=14.0, paths=("service", "sentinel")).role(at_s, 0, "slave", IPS[0])
        story.retell("fault.requested", arguments={} if replaced else {"replace": False})
        allowed = analysed(story.healed(30.0, name="crash") if healed else story).paths["sentinel/new"].allowed_s
        return None if allowed is None else allowed.least

    def test_a_replaced_pod_is_not_in_place(self, analysed: Analysed):
        assert self.least(analysed, 1.2, replaced=True) == pytest.approx(5.2)

    def test_one_that_is_back_before_sdown_is(self, analysed: Analysed):
        assert self.least(analysed, 1.2, replaced=False) == pytest.approx(26.0)

    def test_one_that_is_back_after_it_is_not(self, analysed: Analysed):
        assert self.least(analysed, 9.0, replaced=False) == pytest.approx(5.2)

    def test_a_healed_fault_is_allowed_nothing(self, analysed: Analysed):
        assert self.least(analysed, 9.0, replaced=False, healed=True) is None
