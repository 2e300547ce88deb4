"""A signal at any point: the fault is undone first, within 5 s; everything of ours is removed, the record closed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.progress import Message, Tell
from tests.fakes import HERE, Played, read, trial_spec

pytestmark = pytest.mark.slow

STEPS = {"healthy": "never-healthy", "baseline": "", "wait": "", "experiment": "", "watch": "", "audit": "audit-hangs"}
"""Those that last, and the script that makes one last long enough."""
NUMBERS = {"healthy": 3, "baseline": 4, "wait": 5, "experiment": 6, "watch": 7, "audit": 8}


def undone_within_s(played: Played, interrupted_ns: int) -> float:
    [heal] = [event for event in played.events if event.event.kind == "fault.heal_confirmed"]
    return (heal.at_ns - interrupted_ns) / 1e9


class Interrupter:
    """Signals this process once a step has begun, from another thread as a signal would come."""

    def __init__(self, folder: Path, step: str, number: signal.Signals = signal.SIGTERM, times: int = 1) -> None:
        self.sent_ns = 0
        self._host = folder / "trial-000" / "events" / "host.jsonl"
        self._step = step
        self._number = number
        self._times = times
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        limit = time.monotonic() + 20
        while f'"name":"{self._step}","state":"begun"' not in (self._host.read_text() if self._host.exists() else ""):
            assert time.monotonic() < limit, f"{self._step} did not begin"
            time.sleep(0.01)
        time.sleep(0.1)
        self.sent_ns = time.monotonic_ns()
        for _ in range(self._times):
            os.kill(os.getpid(), self._number)
            time.sleep(0.02)

    def join(self) -> None:
        self._thread.join()


@pytest.fixture(autouse=True)
def _survive() -> Iterator[None]:
    """A signal that comes when no trial takes it shows as a failed assertion, and does not end the test run."""
    before = [signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGINT)]
    yield
    for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize("step", STEPS)
def test_at_any_step_the_trial_is_closed_as_interrupted_and_nothing_is_left(tmp_path: Path, step: str) -> None:
    spec = trial_spec(tmp_path, STEPS[step])
    if step == "wait":
        spec.scenario["system"]["period"] = "30s"
    interrupter = Interrupter(tmp_path, step)
    played = Played(spec)
    interrupter.join()

    assert played.code == 130
    assert (played.closed["ended"], played.closed["step"]) == ("interrupted", NUMBERS[step])
    assert played.closed["error"] == "interrupted by SIGTERM"
    assert "heal" in played.undone
    assert played.undone[-2:] == ["agent closed", "disconnected"]
    assert played.messages[-1] == Message(
        Tell.FAILED, {"error": "InterruptedTrial", "text": "interrupted by SIGTERM", "exit_code": 130}
    )


@pytest.fixture
def held_cut(tmp_path: Path) -> Path:
    """partition-master with a hold of some seconds, to be interrupted in."""
    file = tmp_path / "partition-master.yaml"
    file.write_text((HERE / "experiments" / file.name).read_text().replace("seconds: 90", "seconds: 15"))
    return file


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_held_cut_is_removed_at_once_and_before_anything_else(
    tmp_path: Path, held_cut: Path, number: signal.Signals
) -> None:
    interrupter = Interrupter(tmp_path, "experiment", number)
    played = Played(trial_spec(tmp_path, experiment=held_cut))
    interrupter.join()

    assert played.code == 130
    assert played.undone[:2] == ["heal", "cut of rfr-redis-cluster-0"]
    assert undone_within_s(played, interrupter.sent_ns) < 10
    assert read(played.directory / "journal.json")["status"] == "interrupted"


def test_a_second_signal_does_not_skip_healing(tmp_path: Path, held_cut: Path) -> None:
    interrupter = Interrupter(tmp_path, "experiment", times=5)
    played = Played(trial_spec(tmp_path, experiment=held_cut))
    interrupter.join()

    assert played.code == 130
    assert "cut of rfr-redis-cluster-0" in played.undone
    assert played.undone[-2:] == ["agent closed", "disconnected"]
    assert played.closed["ended"] == "interrupted"


def test_a_fault_that_hangs_is_interrupted_too(tmp_path: Path) -> None:
    interrupter = Interrupter(tmp_path, "experiment")
    played = Played(trial_spec(tmp_path, "fault-hangs"))
    interrupter.join()

    assert played.code == 130
    assert played.undone[-2:] == ["agent closed", "disconnected"]


def test_a_worker_whose_campaign_was_killed_undoes_everything_and_ends(tmp_path: Path, held_cut: Path) -> None:
    """The campaign's end of its standard input is closed by the kernel, whatever ended the campaign."""
    spec = trial_spec(tmp_path, experiment=held_cut)
    worker = subprocess.Popen(
        [sys.executable, "-m", "chaos.trial"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HERE, text=True
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(spec.line() + "\n")
    worker.stdin.flush()
    for line in worker.stdout:
        if Message.parse(line).tell is Tell.EFFECT:
            break
    worker.stdin.close()

    assert worker.wait(60) == 130
    worker.stdout.close()
    undone = [json.loads(line) for line in (tmp_path / "undone.jsonl").read_text().splitlines()]
    assert undone[:2] == ["heal", "cut of rfr-redis-cluster-0"]
    assert read(tmp_path / "trial-000" / "closed")["error"] == "interrupted: the campaign is gone"
