"""What is missing here is said, each thing on a line that names what brings it."""

import pytest

from chaos.doctor import CHECKS, available_gib, engine, examine, shipped_files
from chaos.errors import SetupError


def good() -> str:
    return "python 3.13"


def bad() -> str:
    raise SetupError("no container engine\nhttps://docs.docker.com")


def test_a_check_that_fails_does_not_keep_the_next_from_being_made():
    lines = [finding.line() for finding in examine([bad, good])]
    assert lines == ["no    no container engine\n      https://docs.docker.com", "ok    python 3.13"]


def test_what_ships_with_us_is_whole():
    text = shipped_files()
    assert "redis-operator" in text
    assert "kill-master" in text


def test_without_an_engine_its_line_says_no(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SetupError, match="no container engine"):
        engine()


def test_memory_is_what_can_be_had_without_swapping():
    assert available_gib("MemTotal:  8000000 kB\nMemAvailable:    2097152 kB\nHugePages_Total:  0\n") == 2


def test_every_check_has_something_to_say():
    assert all(finding.text for finding in examine(CHECKS))
