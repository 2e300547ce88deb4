"""The plugin as a foreign repository has it: its own folder, our entry point, and the cluster in memory."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.analysis.interval import Interval
from chaos.analysis.result import Counts, PathResult
from chaos.testing import MeasuredPath
from tests.fakes import HERE, read, scenario_file
from tests.rig import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

CONFTEST = """
from chaos.options import PLATFORMS, Registered
PLATFORMS["fake"] = Registered(of="tests.fake_cluster:platform")
"""
PROVEN = ("--set", "limits.baseline=2s")
"""A baseline that is long enough to prove a path."""


@pytest.fixture
def foreign(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTHONPATH", str(HERE))
    pytester.makeconftest(CONFTEST)
    scenario_file(pytester.path)
    experiments = pytester.mkdir("experiments")
    shutil.copy(HERE / "experiments" / "kill-master.yaml", experiments)
    (experiments / "values.yaml").write_text("not: ours\n")
    return pytester


def played(foreign: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    asked = ("--on", "fake", "--scenario", "./small", "-p", "no:cacheprovider")
    return foreign.runpytest_subprocess(*asked, *arguments, timeout=150)


def test_a_bare_run_collects_no_experiment(foreign: pytest.Pytester) -> None:
    foreign.makepyfile("def test_theirs(): pass")
    result = played(foreign)

    result.assert_outcomes(passed=1)
    assert not (foreign.path / "reports").exists()


def test_an_experiment_given_by_its_file_or_its_folder_is_an_item_a_trial(foreign: pytest.Pytester) -> None:
    by_file = played(foreign, "--collect-only", "-q", "experiments/kill-master.yaml", "--trials", "2")
    by_folder = played(foreign, "--collect-only", "-q", "experiments")
    chosen = played(foreign, "--collect-only", "-q", "experiments", "--experiment", "delete-master")

    by_file.stdout.fnmatch_lines(["*kill-master-1", "*kill-master-2"])
    by_folder.stdout.fnmatch_lines(["*kill-master-1", "1 test collected*"])
    chosen.stdout.fnmatch_lines(["no tests collected*"])


def test_a_pass_is_a_pass_with_a_report(foreign: pytest.Pytester) -> None:
    """And a time limit of the test run does not cut a trial off, which has limits and a fault to undo of its own."""
    result = played(foreign, "experiments/kill-master.yaml", *PROVEN, "-o", "timeout=1")

    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["failover report: reports/*/report.html"])
    [report] = foreign.path.glob("reports/*/report.html")
    assert report.stat().st_size > 0


def test_a_broken_promise_is_a_failure_said_in_sentences(foreign: pytest.Pytester) -> None:
    result = played(foreign, "experiments/kill-master.yaml", *PROVEN, "--set", "targets.recovery.limit=100ms")

    result.assert_outcomes(failed=1)
    assert "recovery" in result.stdout.str()
    assert "Traceback" not in result.stdout.str()


def test_inconclusive_is_an_error_and_no_failure(foreign: pytest.Pytester) -> None:
    result = played(foreign, "experiments/kill-master.yaml")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*there was no baseline*"])


def test_the_fixture_plays_a_trial_and_its_measurements_can_be_asserted_on(foreign: pytest.Pytester) -> None:
    foreign.makepyfile(
        """
        def test_orders_survive_a_dead_master(failover):
            trial = failover.run("kill-master", scenario="./small")
            assert trial.path("sentinel").recovered_within(15), trial.explain()
            assert not trial.path("sentinel/new").recovered_within(0.1)
            assert not trial.path("given").recovered_within(15)
            assert 0.1 < trial.path("service").outage_s < 15
            assert trial.lost.most == 0
        """
    )
    result = played(foreign, *PROVEN)

    result.assert_outcomes(passed=1)


def test_a_wrong_word_is_an_error_in_a_sentence(foreign: pytest.Pytester) -> None:
    result = played(foreign, "experiments/kill-master.yaml", "--scenario", "nowhere")

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['no scenario is called "nowhere"*'])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_twice_with_a_cut_in_force_it_undoes_that_first_and_reports(
    foreign: pytest.Pytester, number: signal.Signals
) -> None:
    cut = (HERE / "experiments" / "partition-master.yaml").read_text().replace("seconds: 90", "seconds: 15")
    (foreign.path / "experiments" / "partition-master.yaml").write_text(cut)
    code, printed = interrupted(foreign, number, "experiments/partition-master.yaml")

    [directory] = foreign.path.glob("reports/*")
    undone = [json.loads(line) for line in (directory / "undone.jsonl").read_text().splitlines()]
    assert code == pytest.ExitCode.INTERRUPTED, printed
    assert f"interrupted by {number.name}; what was recorded is in" in printed
    assert "failover report:" in printed
    assert undone[:2] == ["heal", "cut of rfr-redis-cluster-0"]
    assert undone[-2:] == ["agent closed", "disconnected"]
    assert read(directory / "trial-000" / "closed")["ended"] == "interrupted"


def test_terminated_between_trials_it_reports_and_takes_the_platform_away(foreign: pytest.Pytester) -> None:
    foreign.makepyfile(
        """
        import time

        def test_something_slow_of_theirs(failover):
            failover.run("kill-master", scenario="./small")
            open("played", "w").close()
            time.sleep(20)
        """
    )
    with begun(foreign, *PROVEN) as process:
        wait_for((foreign.path / "played").exists, "a trial is over", within_s=60)
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=150)

    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert b"failover report:" in printed


def interrupted(foreign: pytest.Pytester, number: signal.Signals, *arguments: str) -> tuple[int, str]:
    """The exit code and the output of a test run that is signalled twice once its fault is proved."""
    with begun(foreign, *arguments) as process:
        wait_for(lambda: any("fault.confirmed" in file.read_text() for file in faults(foreign)), "a fault is proved")
        process.send_signal(number)
        process.send_signal(number)
        printed, _ = process.communicate(timeout=150)
        return process.returncode, printed.decode()


def begun(foreign: pytest.Pytester, *arguments: str) -> subprocess.Popen[bytes]:
    asked = ("--on", "fake", "--scenario", "./small", "-p", "no:cacheprovider", *arguments)
    command = [sys.executable, "-m", "pytest", *asked]
    process: subprocess.Popen[bytes] = foreign.popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    return process


def faults(foreign: pytest.Pytester) -> list[Path]:
    return list(foreign.path.glob("reports/*/trial-000/events/faults.jsonl"))


def way(state: str, measured_s: tuple[float, float | None] | None) -> PathResult:
    recovered_s = Interval(*(edge for edge in measured_s if edge is not None)) if measured_s else None
    return PathResult(
        name="service/new",
        connection="new",
        state=state,  # type: ignore[arg-type]
        about="",
        windows=(),
        outage_s=recovered_s,
        recovered_s=recovered_s,
        downtime_s=None,
        full_s=None,
        any_s=None,
        operations=Counts(),
        errors={},
        lost=None,
    )


@pytest.mark.parametrize(
    ("ways", "answer"),
    [
        ([("works", None)], True),
        ([("works", (6.4, 6.6))], True),
        ([("works", (14.9, 15.1))], False),
        ([("works", (6.4, None))], False),
        ([("never worked", None)], False),
        ([("works", (6.4, 6.6)), ("works", (20.0, 20.1))], False),
    ],
)
def test_recovered_within_is_said_only_of_what_surely_was(
    ways: list[tuple[str, tuple[float, float | None] | None]], answer: bool
) -> None:
    """An interval across the limit, an outage without an end, a path that never worked: not in time."""
    path = MeasuredPath("service", [way(state, recovered_s) for state, recovered_s in ways])

    assert path.recovered_within(15) is answer
