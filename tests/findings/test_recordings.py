"""Findings of real recordings: each shows what was planted in it, and nothing that was not.

`recordings/README.md` says how they were made.
"""

import tarfile
from pathlib import Path

import pytest

from chaos.analysis.result import TrialResult
from chaos.analysis.trial import analyse_trial

FOLDER = Path(__file__).parent / "recordings"
MOST_BYTES = 80_000
EXPECTED: dict[str, tuple[str, set[str]]] = {
    "TILT": ("fail", {"TILT"}),
    "empty-master": ("fail", {"empty master copied", "not missed"}),
    "full": ("fail", {"writes refused with OOM"}),
    "late-label": ("fail", {"name not found"}),
    "no-majority": ("fail", {"no majority for a leader"}),
    "not-missed": ("pass", {"not missed"}),
    "ordinary": ("pass", set()),
    "priority-0": ("fail", {"no good replica"}),
    "promotion-undone": ("fail", {"promotion undone", "no good replica", "a replaced master said OK"}),
    "quorum-out-of-reach": ("fail", {"quorum out of reach"}),
    "refused-request": ("fail", {"requested failover refused", "no good replica"}),
    "too-few-replicas": ("fail", {"writes refused with NOREPLICAS"}),
    "two-masters": ("fail", {"two masters"}),
}
"""By recording: its verdict, and every finding that it shows."""


def analysed_of(name: str, folder: Path) -> TrialResult:
    with tarfile.open(FOLDER / f"{name}.tar.xz") as packed:
        packed.extractall(folder, filter="data")
    return analyse_trial(folder / "trial-000")


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recording_shows_what_was_planted_and_nothing_else(name: str, tmp_path: Path) -> None:
    trial = analysed_of(name, tmp_path)
    verdict, findings = EXPECTED[name]
    assert {one.name for one in trial.findings} == findings, [one.sentence for one in trial.findings]
    assert trial.verdict == verdict, trial.because
    assert all(one.rows and one.sentence.endswith(".") for one in trial.findings)


def test_a_late_label_is_the_operators_and_no_finding(tmp_path: Path) -> None:
    assert "the operator wrote the master label" in analysed_of("late-label", tmp_path).cause


def test_every_recording_is_small_and_known() -> None:
    sizes = {file.name.removesuffix(".tar.xz"): file.stat().st_size for file in FOLDER.glob("*.tar.xz")}
    assert sizes.keys() == EXPECTED.keys()
    assert {name: size for name, size in sizes.items() if size > MOST_BYTES} == {}
