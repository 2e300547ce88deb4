"""What breaks while a trial is made ready or recorded ends it with a sentence, and what was recorded is kept."""

import os
import re
from pathlib import Path

import pytest

from chaos.cli import entry
from chaos.errors import INCONCLUSIVE, RecordingError, SetupError
from tests.local.play import Asked, Played, play, played_by
from tests.local.small import action, experiment, meddle, probe, scenario

pytestmark = [pytest.mark.local, pytest.mark.timeout(180)]
AS_ROOT = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
ON_A_SMALL_DISK = """
set -e
out=$1 kept=$2; shift 2
mkdir "$out" && mount -t tmpfs -o size=8m tmpfs "$out"
"$@" && code=0 || code=$?
rm "$out/filler"
cp -r "$out" "$kept"
exit $code
"""
"""In a mount namespace, with which the disk goes: what is on it is copied out before."""


def test_a_member_that_dies_at_its_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    refused = scenario(tmp_path, {"system.settings.redis": {"proc-title-template": "{nonsense}"}})
    played = play(Asked(refused, ("no-fault",), tmp_path / "reports", inconclusive=True))

    assert played.code == SetupError.exit_code, played.printed
    assert re.search(r"error: redis-\d ended by itself with exit code 1: .*proc-title-template", played.printed)
    assert "Traceback" not in played.printed


def test_a_disk_that_is_full_ends_the_trial_and_what_was_recorded_can_be_analysed(tmp_path: Path) -> None:
    out, saved = tmp_path / "reports", tmp_path / "saved"
    filling = meddle("fill", directory=str(out))
    filled = experiment(tmp_path, "filled", "any", action("partition"), filling, probe("hold", seconds=60))
    asked = Asked(scenario(tmp_path, {}), (filled,), out, inconclusive=True)
    disk = ["unshare", *AS_ROOT, "--mount", "sh", "-c", ON_A_SMALL_DISK, "sh", str(out), str(saved)]
    played = played_by([*disk, *asked.command], asked)

    assert played.code == RecordingError.exit_code, played.printed
    assert "cannot be written: No space left on device; what was recorded is kept" in played.printed
    assert "Traceback" not in played.printed
    [campaign] = saved.iterdir()
    assert entry(["analyse", str(campaign)]) == INCONCLUSIVE
    kept = Played(0, "", saved)
    [doubt] = [one for one in kept.of("filled").doubts if one.name == "cut off"]
    assert "step 6" in doubt.text
    assert kept.events("filled", "fault.confirmed")
    assert all(path.operations.ok for path in kept.of("filled").paths.values())
