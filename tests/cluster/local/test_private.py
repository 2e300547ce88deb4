"""A nest's own directory: removed at its end, and by the next nest where it was killed."""

import tempfile
from pathlib import Path

import pytest

from chaos.cluster.local.leftovers import PREFIX, private_directories, private_directory, sweep


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def left(place: Path) -> list[str]:
    return sorted(one.name for one in place.iterdir())


def test_it_goes_with_all_that_is_in_it(place):
    with private_directory() as home:
        assert home.parent == place
        (home / "data").mkdir()
        (home / "data" / "dump.rdb").write_text("x")
    assert left(place) == []


def test_what_a_killed_nest_left_is_swept_and_what_a_living_one_has_is_not(place):
    (place / f"{PREFIX}killed").mkdir()
    (place / f"{PREFIX}killed" / "data").write_text("x")
    with private_directory() as mine, private_directory() as other:
        sweep(private_directories())
        assert left(place) == sorted([mine.name, other.name])


def test_what_is_not_ours_stays(place, monkeypatch):
    (place / "failover-report").mkdir()
    (place / f"{PREFIX}link").symlink_to(place / "failover-report")
    (place / f"{PREFIX}file").write_text("x")
    (place / f"{PREFIX}others").mkdir()
    monkeypatch.setattr("os.geteuid", lambda: -1)
    sweep(private_directories())
    assert len(left(place)) == 4


def test_a_directory_that_another_sweeps_meanwhile_is_no_trouble(place):
    gone = place / f"{PREFIX}gone"
    sweep([gone])
