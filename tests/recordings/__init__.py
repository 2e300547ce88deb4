"""Histories written as trial directories, so that a test of the analysis or of a report reads as what happened."""

from tests.recordings.documents import scenario_json, settings_json
from tests.recordings.histories import build_sample_campaign, delete_master, kill_master, no_fault
from tests.recordings.load import Spell
from tests.recordings.story import Story
from tests.recordings.writing import write_campaign, write_trial

__all__ = [
    "Spell",
    "Story",
    "build_sample_campaign",
    "delete_master",
    "kill_master",
    "no_fault",
    "scenario_json",
    "settings_json",
    "write_campaign",
    "write_trial",
]
