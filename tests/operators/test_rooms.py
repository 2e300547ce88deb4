"""What is known of an operator is told of its systems and of no others; a scenario can name those with a room."""

from pathlib import Path
from typing import get_args

import pytest

import chaos
from chaos.analysis.trial import ROOMS
from chaos.operators.spotahome import LABEL_LINE, REPAIR_LINE
from chaos.report.files import report
from chaos.scenario.scenario import System
from tests.recordings import kill_master, write_campaign

KNOWN_OF_SPOTAHOME = ("resync", "it labels only in", "does nothing while a pod is terminating")
"""Words of that operator's room."""


def reported(directory: Path, operator: str) -> str:
    """All that is written about one recording, if its scenario names this operator."""
    story = kill_master()
    story.scenario["system"]["operator"] = operator
    campaign = write_campaign(directory, [story])
    report(campaign)
    files = [path for path in campaign.iterdir() if path.suffix in {".html", ".json", ".md", ".xml"}]
    assert {path.suffix for path in files} == {".html", ".json", ".md", ".xml"}
    return " ".join(path.read_text() for path in files)


def test_of_the_operators_system_its_resync_is_told(tmp_path: Path):
    assert "the resync 30 s before it only made a pod a replica" in reported(tmp_path, "spotahome")


def test_without_an_operator_no_word_of_one_is_in_any_report(tmp_path: Path):
    """The same recording, with a scenario that names none."""
    told = reported(tmp_path, "none")
    assert "rfrm-redis-cluster" in told
    assert [words for words in KNOWN_OF_SPOTAHOME if words in told] == []


@pytest.mark.parametrize("words", [LABEL_LINE, REPAIR_LINE, "Spotahome"])
def test_nothing_outside_its_room_knows_a_word_of_an_operators_log(words: str):
    package = Path(chaos.__file__).parent
    outside = [path for path in package.rglob("*.py") if "spotahome" not in path.parts]
    knowing = [str(path.relative_to(package)) for path in outside if words in path.read_text()]
    by_name = ["analysis/trial.py", "cluster/kube/found.py"]
    assert sorted(knowing) == (by_name if words == "Spotahome" else []), "what a namespace holds is told by its name"


def test_every_name_that_a_scenario_may_say_has_a_room_and_every_room_a_name():
    assert set(get_args(System.model_fields["operator"].annotation)) == set(ROOMS)
