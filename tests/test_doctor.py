"""What is missing here is said, each thing on a line that names what brings it."""

import pytest

from chaos import doctor
from chaos.cli import entry
from chaos.doctor import available_gib, diagnose, engine, examine, level, server, shipped_files
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
    with pytest.raises(SetupError, match=r"no container engine.*\(or use --on local\)"):
        engine()


def test_memory_is_what_can_be_had_without_swapping():
    assert available_gib("MemTotal:  8000000 kB\nMemAvailable:    2097152 kB\nHugePages_Total:  0\n") == 2


@pytest.mark.parametrize(
    ("kind", "local", "last", "code"),
    [
        (good, good, "ok    runs on kind and on local", 0),
        (bad, good, "ok    runs on local, not on kind", 0),
        (good, bad, "ok    runs on kind, not on local", 0),
        (bad, bad, "no    nothing can run here: mend a line that says no", 3),
    ],
)
def test_one_place_is_enough_and_it_is_said_which(monkeypatch, capsys, kind, local, last, code):
    monkeypatch.setattr(doctor, "PLACES", {"kind": (good, kind), "local": (local,)})
    assert entry(["doctor"]) == code
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_what_every_place_needs_is_missing_everywhere(monkeypatch):
    monkeypatch.setattr(doctor, "ALWAYS", (bad,))
    monkeypatch.setattr(doctor, "PLACES", {"kind": (good,)})
    assert not diagnose()[-1].ok


@pytest.mark.redis
def test_the_server_of_local_is_said_with_its_version():
    assert server().startswith("local: ")
    assert any(digit.isdigit() for digit in server())


@pytest.mark.netns
def test_the_level_of_local_is_said():
    assert level() == "local: processes in network namespaces of this machine"
