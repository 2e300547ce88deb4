"""`failover cleanup` undoes what dead runs left, and nothing of one that lives or of nobody's."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from chaos import cleanup
from chaos.campaign import run as play
from chaos.cli import entry
from chaos.cluster.kube.kind import Kind, checkout, name_of
from chaos.cluster.local.leftovers import MAKING, PREFIX
from chaos.errors import PASS, FaultError, SetupError
from chaos.options import PLATFORMS, Options, Registered
from chaos.progress import Message, Tell
from chaos.undo import RUN, STATE, FoundRun, found_runs
from tests.fakes import HERE, scenario_file
from tests.test_undo import ended, other, own, undo

WAITS = "import sys; print('ready', flush=True); sys.stdin.read()"


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE, str(tmp_path / "state"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()


@pytest.fixture
def dead(tmp_path: Path) -> FoundRun:
    """A run that was killed while it held a partition."""
    ended(other(tmp_path, "partition of redis-0"))
    [run] = found_runs()
    return run


def made(run: FoundRun, prefix: str = PREFIX) -> Path:
    """A directory of a local system of that run."""
    folder = Path(run.about.temporary) / f"{prefix}{run.about.id}-abc"
    folder.mkdir()
    (folder / "data").write_text("x")
    return folder


@contextmanager
def process(run: FoundRun | None, program: str = WAITS, directory: Path = HERE) -> Iterator["subprocess.Popen[str]"]:
    """A process of that run, or of nobody's."""
    pipe, given = subprocess.PIPE, {RUN: str(run.directory)} if run else {}
    command = [sys.executable, "-c", program]
    environment = os.environ | given
    with subprocess.Popen(command, cwd=directory, env=environment, stdin=pipe, stdout=pipe, text=True) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
        yield one
        one.kill()


def cleaned(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    code = entry(["cleanup", *options])
    printed = capsys.readouterr()
    return code, printed.out + printed.err


def test_where_no_run_is_dead_nothing_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lives = other(tmp_path, "partition of redis-0")
    [run] = found_runs()
    folder = made(run)
    with process(run) as worker:
        code, said = cleaned(capsys)
        assert (code, said.splitlines()[0]) == (PASS, "nothing of a dead run is left")
        assert worker.poll() is None
    assert folder.is_dir()
    ended(lives)


def test_what_a_dead_run_left_is_said_first_and_then_undone(
    dead: FoundRun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleanup, "ENDING_S", 0.5)
    folders = [made(dead), made(dead, MAKING)]
    trial = Path(dead.about.campaign) / "trial-000"
    trial.mkdir(parents=True)
    with process(dead) as worker, process(None) as stranger, process(dead, directory=folders[0]) as server:
        code, said = cleaned(capsys, "--dry-run")
        assert code == PASS
        for thing in ("partition of redis-0", f"process {worker.pid} (", f"directory {folders[0]}"):
            assert f"would undo or remove: {thing}" in said
        assert worker.poll() is None
        assert all(folder.is_dir() for folder in folders)

        code, said = cleaned(capsys)
        assert code == PASS, said
        assert (worker.wait(60), server.wait(5), stranger.poll()) == (-signal.SIGKILL, -signal.SIGKILL, None)
    assert f"process {dead.about.pid} of" in said
    assert "undone: partition of redis-0, which ended with its system" in said
    assert f"recorded: {trial}, which was cut off" in said
    assert not any(folder.exists() for folder in folders)
    assert found_runs() == []


def test_one_that_is_stopped_goes_on_and_ends_in_order(dead: FoundRun, capsys: pytest.CaptureFixture[str]) -> None:
    with process(dead, "print('ready', flush=True); import time; time.sleep(1.0)") as worker:
        worker.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, worker.pid, os.WSTOPPED | os.WNOWAIT)
        code, said = cleaned(capsys)
        assert code == PASS, said
        assert worker.wait(60) == 0
    assert f"went on: process {worker.pid} (" in said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_a_mount_in_a_directory_of_the_run_is_taken_away(dead: FoundRun, capsys: pytest.CaptureFixture[str]) -> None:
    folder = made(dead) / "full disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(folder)], check=True)
    code, said = cleaned(capsys)

    assert code == PASS, said
    assert f"removed: mount {folder}" in said
    assert not folder.parent.exists()


@pytest.mark.skipif(not os.access("/sys/fs/cgroup", os.W_OK), reason="no cgroup can be made here")
def test_a_cgroup_of_the_run_is_taken_away_and_one_of_another_stays(
    dead: FoundRun, capsys: pytest.CaptureFixture[str]
) -> None:
    top = next((path for path in Path("/sys/fs/cgroup").glob("pids/") if path.is_dir()), Path("/sys/fs/cgroup"))
    mine, strange = top / f"failover-{dead.about.id}-slow", top / "failover-00000000-slow"
    for cgroup in (mine, mine / "inner", strange):
        cgroup.mkdir()
    try:
        code, said = cleaned(capsys)
        assert code == PASS, said
        assert (mine.exists(), strange.exists()) == (False, True)
    finally:
        strange.rmdir()


def test_what_cannot_be_undone_is_exit_code_4_with_the_command_and_stays_written_down(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no kind here that could remove the cluster."""
    with own(tmp_path) as run:
        run.write(replace(undo("kind cluster failover-0000"), executor="kind", where={"cluster": "failover-0000"}))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    code, said = cleaned(capsys)

    assert code == FaultError.exit_code
    assert "kind cluster failover-0000: kind: command not found; by hand: mend kind cluster failover-0000" in said
    assert [one.about.id for one in found_runs()] == [run.about.id]


class TestKept:
    """A kind that is a script: it has this checkout's cluster, one of another checkout of ours, and somebody else's."""

    @pytest.fixture
    def mine(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kind:
        mine, beside = Kind(name_of(checkout(Path.cwd()))), Kind("failover-0000")
        monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        beside.kubeconfig.touch()
        up = tmp_path / "up"
        up.write_text(f"{mine.name}\n{beside.name}\ntheirs\n")
        program = tmp_path / "kind"
        program.write_text(
            f'#!/bin/sh\n[ "$1" = get ] && exec cat {up}\nsed -i "/$4/d" {up}\necho "$@" > {tmp_path}/said\n'
        )
        program.chmod(0o755)
        return mine

    def test_it_is_said_how_each_is_taken_down(self, mine: Kind, capsys: pytest.CaptureFixture[str]) -> None:
        code, said = cleaned(capsys)
        assert code == PASS
        assert said.splitlines()[1:] == [
            f"kind cluster {mine.name} is up, and no run has it: `failover cleanup --cluster` takes it down",
            "kind cluster failover-0000 is up, and no run has it: "
            "`kind delete cluster --name failover-0000` takes it down",
        ]

    def test_that_of_this_checkout_is_taken_down_if_that_is_asked_for(
        self, mine: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        code, said = cleaned(capsys, "--cluster", "--dry-run")
        assert (code, (tmp_path / "said").exists()) == (PASS, False)
        assert f"would remove: kind cluster {mine.name}\n" in said

        code, said = cleaned(capsys, "--cluster")
        assert code == PASS
        assert f"removed: kind cluster {mine.name}\n" in said
        assert (tmp_path / "said").read_text().startswith(f"delete cluster --name {mine.name} --kubeconfig ")
        assert (tmp_path / "up").read_text().split() == ["failover-0000", "theirs"]
        assert f"no kind cluster {mine.name} is there\n" in cleaned(capsys, "--cluster")[1]

    def test_one_that_a_run_has_is_left_alone(
        self, mine: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with mine.lock():
            assert mine.name not in cleaned(capsys)[1]
            code, said = cleaned(capsys, "--cluster")
        assert code == SetupError.exit_code
        assert f"cluster {mine.name} is in use by process {os.getpid()}" in said
        assert not (tmp_path / "said").exists()

    def test_where_kind_cannot_be_asked_that_is_said(
        self, mine: Kind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "kind").write_text("#!/bin/sh\necho 'ERROR: no daemon' >&2; exit 1\n")
        code, said = cleaned(capsys)
        assert code == PASS
        assert (
            "whether a kind cluster of ours is up could not be found out: `kind get clusters` failed: ERROR: no" in said
        )
        (tmp_path / "kind").unlink()
        assert cleaned(capsys) == (PASS, "nothing of a dead run is left\n")


class TestNewRuns:
    @pytest.fixture(autouse=True)
    def _on_the_fake(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(PLATFORMS, "fake", Registered(of="tests.fake_cluster:platform"))
        monkeypatch.chdir(HERE)

    def options(self, folder: Path) -> Options:
        asked = {"on": "fake", "scenario": str(scenario_file(folder)), "experiments": ("kill-master",)}
        return Options(**asked, out=folder / "reports", seed=7)  # type: ignore[arg-type]

    @pytest.mark.slow
    def test_a_new_run_says_what_a_dead_one_left_and_leaves_it(self, tmp_path: Path, dead: FoundRun) -> None:
        folder, told = made(dead), list[Message]()
        play(self.options(tmp_path), told.append)

        notes = [message.data["text"] for message in told if message.tell is Tell.NOTE]
        left = f"was killed and left partition of redis-0; directory {folder}: `failover cleanup` removes it"
        assert [note for note in notes if note.endswith(left)] == notes[:1]
        assert folder.is_dir()

    def test_nothing_is_said_of_one_that_left_nothing(self, dead: FoundRun) -> None:
        [file] = dead.undos()
        file.unlink()

        assert cleanup.left_behind() == []
        assert not dead.directory.exists()

    @pytest.mark.slow
    def test_a_run_is_refused_where_another_holds_a_fault(self, tmp_path: Path) -> None:
        holds = other(tmp_path, "partition of rfr-redis-cluster-0", cluster="in memory", place="fake")
        whose = rf"process {holds.pid} of .* holds partition of rfr-redis-cluster-0 on in memory: wait"
        with pytest.raises(SetupError, match=whose):
            play(self.options(tmp_path), lambda _: None)
        ended(holds)
