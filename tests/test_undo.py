"""What undoes a fault is written down where it outlives a run, and whether a run lives is known by its lock."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from chaos.errors import SetupError
from chaos.undo import STATE, HarnessRun, Undo, UndoJournal, found_runs, refuse_held, undos_in
from tests.fakes import HERE


def undo(what: str) -> Undo:
    return Undo(what=what, executor="nest", where={}, request={"do": "heal"}, by_hand=f"mend {what}")


def own(folder: Path, cluster: str = "", place: str = "kind") -> HarnessRun:
    return HarnessRun(place, cluster, folder / "reports", "failover run", "2026-01-02T03:04:05.678Z")


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE, str(tmp_path / "state"))


def other(folder: Path, what: str, cluster: str = "", place: str = "kind") -> "subprocess.Popen[str]":
    """Another process with a run of its own, which holds something; ready when this returns."""
    program = (
        "import sys; from pathlib import Path; from tests.test_undo import own, undo\n"
        f"run = own(Path({str(folder)!r}), {cluster!r}, {place!r})\n"
        "with run:\n"
        f"    {what!r} and run.write(undo({what!r}))\n"
        "    print('ready', flush=True); sys.stdin.read()\n"
    )
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", program], cwd=HERE, stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def ended(process: "subprocess.Popen[str]", number: int = signal.SIGKILL) -> None:
    process.send_signal(number)
    process.communicate()


def test_a_run_has_a_directory_while_it_lives_and_none_when_nothing_is_left_to_undo(tmp_path: Path) -> None:
    with own(tmp_path) as run:
        [found] = found_runs()
        assert found.lives
        assert found.about == run.about
        written = run.write(undo("a cluster"))
        assert [one.what for one in found.undos().values()] == ["a cluster"]
        written.unlink()

    assert found_runs() == []


def test_what_is_still_to_be_undone_outlives_its_run(tmp_path: Path) -> None:
    with own(tmp_path) as run:
        run.write(undo("a cluster"))

    [found] = found_runs()
    assert not found.lives
    assert [one.by_hand for one in found.undos().values()] == ["mend a cluster"]


def test_a_run_that_was_killed_is_dead_and_one_that_waits_is_not(tmp_path: Path) -> None:
    killed, waits = other(tmp_path, "a"), other(tmp_path, "b")
    ended(killed)

    assert {run.about.pid: run.lives for run in found_runs()} == {killed.pid: False, waits.pid: True}
    ended(waits)


def test_a_fault_on_the_same_cluster_is_refused_with_whose_it_is(tmp_path: Path) -> None:
    holds = other(tmp_path, "partition of rfr-0", cluster="one")
    with pytest.raises(SetupError, match=rf"process {holds.pid} of .*reports\) holds partition of rfr-0 on one: wait"):
        refuse_held("kind", "one")
    refuse_held("kind", "two")
    refuse_held("elsewhere", "one")
    ended(holds)

    refuse_held("kind", "one")


def test_a_run_that_holds_nothing_keeps_nobody_out(tmp_path: Path) -> None:
    holds = other(tmp_path, "", cluster="one")
    refuse_held("kind", "one")
    ended(holds)


async def test_a_journal_is_on_disk_and_beside_the_system_until_all_is_undone(tmp_path: Path) -> None:
    kept: list[list[str]] = []

    async def beside(undos: Sequence[Undo]) -> None:
        kept.append([one.what for one in undos])
        assert len(list(undos_in(tmp_path))) == len(undos)

    journal = UndoJournal(tmp_path, "trial-000", beside)
    await journal.write(undo("a"))
    await journal.write(undo("b"))
    assert [one.what for _, one in undos_in(tmp_path)] == ["b", "a"]
    assert journal.by_hand == "; `failover cleanup` undoes it, or by hand (a, b): mend a && mend b"
    await journal.clear()

    assert kept == [["a"], ["a", "b"], []]
    assert list(undos_in(tmp_path)) == []
    assert journal.by_hand == ""


def test_where_nothing_can_be_written_a_run_does_not_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(STATE, str(tmp_path / "file"))
    with pytest.raises(SetupError, match=f"cannot be written to .*Not a directory; name a directory .* in {STATE}"):
        own(tmp_path).__enter__()


def test_a_file_of_an_undo_is_json(tmp_path: Path) -> None:
    with own(tmp_path) as run:
        file = run.write(undo("a"))
        assert json.loads(file.read_text())["request"] == {"do": "heal"}
        file.unlink()
