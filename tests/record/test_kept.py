"""What cannot be written is said by its file and its reason."""

from pathlib import Path

import pytest

from chaos.errors import RecordingError
from chaos.record.layout import kept

FULL = Path("/dev/full")


def test_a_full_disk_is_a_failing_of_the_harness_with_a_name() -> None:
    with pytest.raises(RecordingError, match="/dev/full cannot be written: No space left on device; "), kept(FULL):
        FULL.write_text("more")


def test_any_other_error_stays_what_it_is() -> None:
    with pytest.raises(ValueError, match="a mistake"), kept(FULL):
        raise ValueError("a mistake")
