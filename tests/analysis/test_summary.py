"""summary.json: deterministic, and the same values back."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.analysis.analyse import analyse
from chaos.analysis.result import VERSION, CampaignResult
from chaos.analysis.summary import load, to_json
from chaos.errors import RecordingError
from tests.recordings import build_sample_campaign


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> CampaignResult:
    return analyse(build_sample_campaign(tmp_path_factory.mktemp("campaign")))


def test_what_is_written_is_read_back(result: CampaignResult, tmp_path: Path):
    file = tmp_path / "summary.json"
    file.write_text(to_json(result))
    again = load(file)
    assert to_json(again) == file.read_text()
    assert again.trials[0].faults[0].target == result.trials[0].faults[0].target
    assert again.trials[0].paths["service/new"].windows[0].phases
    assert again.verdict is result.verdict


def test_the_same_directory_gives_the_same_bytes(tmp_path: Path):
    campaign = build_sample_campaign(tmp_path)
    assert to_json(analyse(campaign)) == to_json(analyse(campaign))


def test_seconds_are_rounded_to_a_microsecond(result: CampaignResult):
    raw = json.loads(to_json(result))
    onset = raw["trials"][0]["paths"]["service/new"]["windows"][0]["onset_s"]
    assert all(len(str(value).partition(".")[2]) <= 6 for value in onset)


def test_what_json_has_no_word_for_is_never_written(result: CampaignResult):
    with pytest.raises(ValueError, match="JSON"):
        to_json(replace(result, manifest={"value": math.nan}))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"version": 99}', f'{{"version": {VERSION}, "name": 1}}'])
def test_anything_else_is_refused(text: str, tmp_path: Path):
    (tmp_path / "summary.json").write_text(text)
    with pytest.raises(RecordingError):
        load(tmp_path / "summary.json")
