"""What is missing here is said, each thing on a line that names what brings it."""

import pytest

from chaos.cli import entry
from chaos.doctor import diagnose, examine, shipped_files
from chaos.errors import SetupError
from chaos.scenario.lookup import experiments


async def good() -> str:
    return "python 3.13"


async def bad() -> str:
    raise SetupError("no container engine\nhttps://docs.docker.com")


def test_a_check_that_fails_does_not_keep_the_next_from_being_made():
    lines = [finding.line() for finding in examine([bad, good])]
    assert lines == ["no    no container engine\n      https://docs.docker.com", "ok    python 3.13"]


async def test_what_ships_with_us_is_whole():
    text = await shipped_files()
    assert "redis-operator" in text
    assert f"{len(experiments())} experiments" in text


@pytest.mark.parametrize(
    ("kind", "local", "last"),
    [
        (good, good, "ok    runs on kind and on local"),
        (bad, good, "ok    runs on local, not on kind"),
        (good, bad, "ok    runs on kind, not on local"),
        (bad, bad, "no    nothing can run here: mend a line that says no"),
    ],
)
def test_one_place_is_enough_and_it_is_said_which(kind, local, last):
    assert diagnose({"kind": (good, kind), "local": (local,)}, lacking={})[-1].line() == last


async def little() -> str:
    return "kind: an experiment that needs one of these cannot be played there\n- nodes: there are none"


def test_what_cannot_be_done_where_all_is_there_is_a_note_and_no_answer():
    said = [one.line() for one in diagnose({"kind": (good,), "local": (bad,)}, (), {"kind": little, "local": little})]
    assert [line[:5] for line in said] == ["ok   ", "no   ", "note ", "ok   "]
    assert said[2].splitlines()[1] == "      - nodes: there are none"


def test_what_every_place_needs_is_missing_everywhere():
    assert not diagnose({"kind": (good,)}, everywhere=(bad,))[-1].ok


def test_where_nothing_can_run_the_exit_code_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("FAILOVER_SERVER", str(tmp_path / "redis-server"))
    assert entry(["doctor"]) == 3
    assert "no    no container engine: there is no docker command" in capsys.readouterr().out


@pytest.mark.redis
def test_where_one_place_can_run_the_exit_code_says_so(monkeypatch, capsys):
    monkeypatch.setenv("FAILOVER_LEVEL", "loopback")
    assert entry(["doctor"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("ok    runs on ")
