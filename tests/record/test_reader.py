"""A trial's directory as values, whole or cut off."""

import json
from pathlib import Path

import numpy as np
import pytest

from chaos.errors import RecordingError
from chaos.record.layout import ROW
from chaos.record.reader import ROW_TYPE, Recording, campaign_manifest, read_bits, read_ops, trials
from tests.recordings import Story, build_sample_campaign, write_trial
from tests.recordings.load import write_bits


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    return write_trial(Story(length_s=5.0).fault(), tmp_path)


def test_the_row_of_numpy_is_the_row_of_the_writer():
    assert ROW_TYPE.itemsize == ROW.size


def test_a_trial_is_read_whole(trial: Path):
    recording = Recording.load(trial)
    assert recording.closed == {"ended": "complete", "step": 9, "error": None}
    assert {event.event.kind for event in recording.events} >= {"clock.domain", "fault.effect", "role", "audit"}
    (audit,) = recording.audits
    assert sorted(audit) == [0, 1, 2, 3]
    assert recording.settings["sentinel"]


def test_a_trial_without_its_end_is_read_all_the_same(trial: Path):
    for name in ("closed", "settings.json"):
        (trial / name).unlink()
    recording = Recording.load(trial)
    assert recording.closed is None
    assert recording.settings == {}


def test_an_empty_directory_is_a_recording_of_nothing(tmp_path: Path):
    recording = Recording.load(tmp_path)
    assert (recording.manifest, recording.events, recording.ops) == ({}, (), ())


def test_a_row_cut_in_two_and_rows_never_begun_are_left_out(trial: Path):
    path = trial / "ops" / "meters.rows"
    rows = len(read_ops(path).rows)
    with path.open("ab") as file:
        file.write(bytes(ROW.size))
        file.write(b"\x01" * (ROW.size - 1))
    assert len(read_ops(path).rows) == rows


def test_a_last_line_that_was_being_written_is_left_out(trial: Path):
    path = trial / "events" / "agent.jsonl"
    events = len(Recording.load(trial).events)
    path.write_bytes(path.read_bytes() + b'{"kind": "role", "dom')
    assert len(Recording.load(trial).events) == events


def test_a_file_that_is_no_ops_file_is_refused(trial: Path):
    (trial / "ops" / "meters.rows").write_bytes(b"something else entirely, and long enough")
    with pytest.raises(RecordingError, match=r"meters\.rows"):
        Recording.load(trial)


def test_a_document_that_is_no_json_is_refused(trial: Path):
    (trial / "manifest.json").write_text("{")
    with pytest.raises(RecordingError, match=r"manifest\.json:1 is not JSON: it is cut off here"):
        Recording.load(trial)


def test_audit_bits_are_in_the_order_of_operations(tmp_path: Path):
    kept = np.array([True, False, False, True, True, False, True, True, False, True])
    write_bits(tmp_path / "7.bits", kept)
    assert read_bits(tmp_path / "7.bits")[: len(kept)].tolist() == kept.tolist()


def test_a_campaign_lists_its_trials_and_a_folder_that_is_none_says_so(tmp_path: Path):
    campaign = build_sample_campaign(tmp_path / "campaign")
    assert [trial.name for trial in trials(campaign)] == ["trial-000", "trial-001"]
    assert campaign_manifest(campaign)["scenario"] == "redis-operator"
    with pytest.raises(RecordingError, match="name one of them, such as "):
        campaign_manifest(tmp_path)
    with pytest.raises(RecordingError, match="holds no campaign"):
        campaign_manifest(campaign / "trial-000")


@pytest.mark.parametrize("older_or_newer", [1, 99])
def test_a_campaign_of_another_format_is_refused(tmp_path: Path, older_or_newer: int):
    (tmp_path / "campaign.json").write_text(json.dumps({"format": older_or_newer}))
    with pytest.raises(RecordingError, match=rf"recorded in format {older_or_newer}, and this version reads format 2"):
        campaign_manifest(tmp_path)
