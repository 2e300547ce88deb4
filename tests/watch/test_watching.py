"""`failover watch` beside real servers that this test starts itself."""

import json
import os
import shlex
import signal
import time
from pathlib import Path

import pytest

from chaos.analysis.interval import Interval
from chaos.analysis.result import State, Verdict
from chaos.model import Outcome
from chaos.record.ops_files import read_rows
from tests.rig import LOOPBACK, REDIS, SENTINELS, Rig, call, wait_for
from tests.watch.watched import PATIENT, Prober, alone, campaign_of, keys_left, watching

pytestmark = [pytest.mark.redis, pytest.mark.timeout(240)]


def sentinel_of(rig: Rig) -> str:
    return f"{LOOPBACK}:{rig.processes[SENTINELS[1]].port}"


def test_a_crash_by_a_command_is_found_as_long_as_an_independent_prober_saw_it(rig: Rig, tmp_path: Path) -> None:
    kill = f"kill -9 {rig.pid(REDIS[0])}; echo done"
    asked = ("--sentinel", sentinel_of(rig), "--until", "1", "--expect", "30s", *PATIENT, "--", "sh", "-c", kill)
    with Prober(rig.processes[SENTINELS[1]].port) as prober, watching(tmp_path / "reports", *asked) as watched:
        assert watched.over() == 0, watched.said
    [trial] = watched.result.trials
    assert (trial.experiment, trial.verdict, trial.losses.undecided) == ("command", Verdict.PASS, "")
    assert [one.kind for one in trial.failovers] == ["detected"]
    for name in ("sdown", "odown", "try_failover", "promoted", "switched", "reconfigured"):
        assert trial.milestones[name].state is State.SEEN, name
    least, most = prober.outage()
    for name in ("sentinel/new", "sentinel/kept"):
        measured = trial.paths[name].outage_s
        assert measured is not None
        assert measured.overlaps(Interval(least, most)), (name, measured, least, most)
        head = trial.paths[name].head
        assert head is not None
        assert head.phases
    assert "detection phase" in trial.cause
    assert keys_left(rig) == []
    assert (watched.directory / "command.log").read_text() == "done\n"
    assert campaign_of(watched.directory)["watch"]["command"]["exit_code"] == 0  # type: ignore[index]
    assert not (watched.directory / "agent").exists()
    assert (watched.directory / "report.html").stat().st_size > 10_000


def test_without_a_command_time_counts_from_the_onset_and_every_outage_is_an_entry(rig: Rig, tmp_path: Path) -> None:
    """Somebody asks Sentinel for a failover, and later kills the new master. Ctrl-C ends it."""
    with watching(tmp_path / "reports", "--sentinel", sentinel_of(rig), *PATIENT) as watched:
        wait_for(lambda: (tmp_path / "reports").exists(), "it begins")
        wait_for(lambda: bool(keys_left(rig)), "its clients write")
        time.sleep(4)  # what it needs for a baseline
        assert rig.call(SENTINELS[0], "SENTINEL", "FAILOVER", "mymaster") == "OK"
        watched.until("entry 0")
        rig.kill(rig.master())
        watched.until("entry 1")
        watched.interrupt()
        assert watched.over() == 0, watched.said
    first, second = watched.result.trials
    assert [one.kind for one in first.failovers] == ["requested"]
    assert [one.kind for one in second.failovers] == ["detected"]
    assert first.faults == second.faults == ()
    onsets = [path.head.onset_s.least for path in second.paths.values() if path.head]
    assert onsets
    assert min(onsets) == pytest.approx(0.0, abs=0.2)
    assert second.milestones["sdown"].at_s
    assert second.milestones["sdown"].at_s.middle == pytest.approx(2.0, abs=1.0)
    assert keys_left(rig) == []


def test_a_calm_time_has_no_window_and_leaves_a_line_and_no_record(rig: Rig, tmp_path: Path) -> None:
    asked = ("--sentinel", sentinel_of(rig), "--for", "12s", "--expect", "15s", *PATIENT)
    with watching(tmp_path / "reports", *asked) as watched:
        assert watched.over() == 0, watched.said
    [trial] = watched.result.trials
    assert (trial.experiment, trial.verdict) == ("calm", Verdict.PASS)
    assert all(not path.windows for path in trial.paths.values())
    assert keys_left(rig) == []


def test_a_command_of_which_nobody_felt_anything_proves_nothing(rig: Rig, tmp_path: Path) -> None:
    asked = ("--sentinel", sentinel_of(rig), "--expect", "15s", *PATIENT, "--", "true")
    with watching(tmp_path / "reports", *asked) as watched:
        assert watched.over() == 5, watched.said
    assert "no source saw any consequence" in watched.said


def test_read_only_writes_nothing_and_a_service_needs_no_sentinel(rig: Rig, tmp_path: Path) -> None:
    """A replica that stops is out, and what was lost is undecided."""
    port = rig.processes[REDIS[1]].port
    asked = ("--service", f"{LOOPBACK}:{port}", "--read-only", *PATIENT)
    with watching(tmp_path / "reports", *asked) as watched:
        watched.until("watching")
        time.sleep(8)
        rig.kill(REDIS[1])
        watched.until("failed: service/new")
        rig.restart(REDIS[1])
        watched.until("entry 0")
        watched.interrupt()
        assert watched.over() == 0, watched.said
    [trial] = watched.result.trials
    assert trial.paths["service/new"].outage_s
    assert trial.losses.undecided == "only reads were sent"
    assert rig.call(REDIS[0], "DBSIZE") == 0
    [rows] = (watched.directory / "trial-000" / "ops").glob("*.rows")
    assert any(row.outcome == Outcome.OK for row in read_rows(rows))


def test_services_of_two_redis_keep_their_keys_apart(rig: Rig, tmp_path: Path) -> None:
    """Each path's keys are read back and removed where it leads. The second Redis stops for a while."""
    with alone(tmp_path) as other:
        pid = dict(line.split(":", 1) for line in call(other, "INFO", "server").split() if ":" in line)["process_id"]
        asked = [word for port in (rig.processes[REDIS[0]].port, other) for word in ("--service", f"{LOOPBACK}:{port}")]
        stop = ("sh", "-c", f"kill -STOP {pid}; sleep 4; kill -CONT {pid}")
        with watching(tmp_path / "reports", *asked, *PATIENT, "--", *stop) as watched:
            assert watched.over() == 0, watched.said
        [trial] = watched.result.trials
        assert trial.paths["service-2/new"].outage_s
        assert not trial.paths["service/new"].windows
        assert trial.losses.undecided == ""
        assert trial.losses.acknowledged > 100
        for lost in (trial.losses.before, trial.losses.tail, trial.losses.after):
            assert lost is not None
            assert lost.most == 0
        assert keys_left(rig) == call(other, "KEYS", "failover:*") == []


def test_a_master_that_is_back_with_less_data_is_named(rig: Rig, tmp_path: Path) -> None:
    """It is back before Sentinel misses it. Its replicas copy it, and what everybody had is gone."""
    master, pid = rig.processes[REDIS[0]], rig.pid(REDIS[0])
    for sentinel in SENTINELS:
        assert rig.call(sentinel, "SENTINEL", "SET", "mymaster", "down-after-milliseconds", "20000") == "OK"
    again = f"kill -9 {pid}; sleep 1; exec {' '.join(shlex.quote(word) for word in master.command)}"
    background = ("sh", "-c", f"({again}) >/dev/null 2>&1 & echo $! >{tmp_path}/pid; sleep 6")
    asked = ("--sentinel", sentinel_of(rig), "--expect", "60s", *PATIENT, "--", *background)
    try:
        with watching(tmp_path / "reports", *asked) as watched:
            assert watched.over() == 1, watched.said
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    trial = next(one for one in watched.result.trials if one.experiment == "command")
    [found] = [one for one in trial.findings if one.name == "empty master copied"]
    assert f"{LOOPBACK}:{master.port} came back with less data as the master" in found.sentence
    assert "acknowledged writes" in found.sentence
    assert found.sentence in watched.result.headline["verdict"]


def test_an_address_that_is_reached_by_another_is_one_member(rig: Rig, tmp_path: Path) -> None:
    """As with Docker: each address that Sentinel tells is reached by a name. Milestones and losses are still known."""
    ports = [rig.processes[name].port for name in REDIS]
    maps = [word for port in ports for word in ("--map", f"{LOOPBACK}:{port}=localhost:{port}")]
    kill = ("kill", "-9", str(rig.pid(REDIS[0])))
    asked = ("--sentinel", sentinel_of(rig), *maps, "--until", "1", *PATIENT, "--", *kill)
    with watching(tmp_path / "reports", *asked) as watched:
        assert watched.over() == 0, watched.said
    [trial] = watched.result.trials
    assert trial.losses.undecided == ""
    assert trial.milestones["promoted"].state is trial.milestones["reconfigured"].state is State.SEEN
    assert trial.paths["sentinel/kept"].pointer
    assert trial.paths["sentinel/kept"].pointer.state is State.SEEN
    members = json.loads((watched.directory / "trial-000" / "manifest.json").read_text())["members"]
    assert {one["address"] for one in members if one["kind"] == "redis"} == {"localhost"}


def test_it_ends_with_a_sentence_where_a_redis_becomes_full(rig: Rig, tmp_path: Path) -> None:
    asked = ("--sentinel", sentinel_of(rig), *PATIENT)
    with watching(tmp_path / "reports", *asked) as watched:
        wait_for(lambda: bool(keys_left(rig)), "its clients write", within_s=60)
        assert rig.call(REDIS[0], "CONFIG", "SET", "maxmemory", "30mb") == "OK"
        for number in range(25):
            assert rig.call(REDIS[0], "SET", f"much:{number}", "x" * 1_000_000) == "OK"
        assert watched.over() == 0, watched.said
    assert "of its maxmemory, and a guest writes nothing above 70%" in watched.said
    assert keys_left(rig) == []


def test_a_watch_and_its_agent_that_are_stopped_for_long_see_no_outage(rig: Rig, tmp_path: Path) -> None:
    """As in a machine that sleeps, of which nothing runs."""
    asked = ("--sentinel", sentinel_of(rig), "--for", "40s", *PATIENT)
    with watching(tmp_path / "reports", *asked) as watched:
        wait_for(lambda: bool(keys_left(rig)), "its clients write", within_s=60)
        time.sleep(5)
        all_of_it = [watched.popen.pid, *map(int, _children(watched.popen.pid))]
        for pid in all_of_it:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(20)
        for pid in reversed(all_of_it):
            os.kill(pid, signal.SIGCONT)
        assert watched.over() == 0, watched.said
    assert [trial.experiment for trial in watched.result.trials] == ["calm"], watched.said
    assert all(not path.windows for path in watched.result.trials[0].paths.values())


def test_a_watch_that_is_stopped_for_a_while_sees_no_outage(rig: Rig, tmp_path: Path) -> None:
    asked = ("--sentinel", sentinel_of(rig), "--for", "14s", *PATIENT)
    with watching(tmp_path / "reports", *asked) as watched:
        wait_for(lambda: bool(keys_left(rig)), "its clients write", within_s=60)
        time.sleep(5)
        [agent] = [int(pid) for pid in _children(watched.popen.pid)]
        os.kill(agent, signal.SIGSTOP)
        time.sleep(3)
        os.kill(agent, signal.SIGCONT)
        assert watched.over() == 0, watched.said
    assert [trial.experiment for trial in watched.result.trials] == ["calm"], watched.said


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
