"""Applications, names and pods: each finding by a story that shows it, and one in which it is silent."""

import re
from typing import Any

import pytest

from chaos.analysis.wording import logs_not_read
from chaos.clock import AGENT
from chaos.model import ErrorCode, Outcome
from chaos.report.closing import trial_lines
from chaos.report.markdown import clean, markdown
from tests.analysis.conftest import Analysed, analysed
from tests.findings.telling import names, the
from tests.recordings import Story, kill_master
from tests.recordings.world import PODS
from tests.report.results import campaign

__all__ = ["analysed"]

BACK: dict[str, Any] = {"paths": ("service", "app"), "back_s": 10.0}


@pytest.mark.parametrize(
    ("error", "name"),
    [(ErrorCode.READONLY, "an application stayed on a replica"), (ErrorCode.REFUSED, "an application stayed out")],
)
def test_an_application_that_never_wrote_again_is_told(analysed: Analysed, error: ErrorCode, name: str):
    story = kill_master(**BACK).out("app", 9.0, 99.0, error=error)
    app = next(client.number for client in story.clients if client.path == "app")
    found = the(analysed(story.event("connection.opened", 8.0, AGENT, client=app)), name)
    assert ("retry_on_error=[ReadOnlyError]" in found.advice) == (error is ErrorCode.READONLY)
    assert "on the connection that it opened at 8.0 s" in found.sentence


def test_an_application_that_was_back_is_no_finding(analysed: Analysed):
    assert names(analysed(kill_master(**BACK))) == set()


def test_a_call_that_never_ends_is_told_as_lasting_until_the_end(analysed: Analysed):
    story = kill_master(**BACK)
    story.out("app", 12.0, 99.0, outcome=Outcome.IN_FLIGHT, error=ErrorCode.NONE, takes_s=99.0)
    found = the(analysed(story), "a call without a time-out")
    assert "A call of app/kept had not ended after" in found.sentence
    assert found.severity == "out"


@pytest.mark.parametrize(
    ("text", "lines"),
    [("Nov 23 09:14:37 redis: MASTER MODE enabled\n", "1 of"), ('{} {"msg": "MASTER MODE enabled"}\n', "of 1 line")],
)
def test_a_log_that_cannot_be_read_is_told_with_a_line_of_it(analysed: Analysed, text: str, lines: str):
    story = kill_master(paths=("service",))
    before = story.logs.get(PODS[1], []) if lines == "1 of" else []
    story.logs[PODS[1]] = [*before, text.replace("{}", "2026-11-23T09:14:37.391934567+09:00", 1)]
    found = the(analysed(story), "a log that cannot be read")
    assert PODS[1] in found.sentence
    assert lines in found.sentence
    assert "MASTER MODE enabled" in found.rows[0]
    assert ".log, `" in found.sentence


def test_a_log_that_the_kubelet_had_removed_already_is_no_matter_of_its_format(analysed: Analysed):
    story = kill_master(paths=("service",))
    gone = 'failed to try resolving symlinks in path "/var/log/pods/a_b_c/redis/0.log": lstat /var/log/pods/a_b_c\n'
    story.logs.setdefault(PODS[1], []).append(gone)
    found = the(analysed(story), "a log that cannot be read")
    assert "the kubelet had removed the file before the log was read to its end" in found.sentence
    assert found.advice == ""
    story.logs[PODS[1]].append("Nov 23 09:14:37 redis: MASTER MODE enabled\n")
    assert the(analysed(story), "a log that cannot be read").advice


def test_logs_that_cannot_be_read_are_told_beside_the_cause(analysed: Analysed):
    """Else the cause of the same outage would be another one, and nobody knew why."""
    story = kill_master(paths=("service",))
    assert logs_not_read(analysed(story)) == ""
    story.logs = {pod: [f"\x1b{line}" for line in lines] for pod, lines in story.logs.items()}
    trial = analysed(story)
    said = logs_not_read(trial)
    assert said.startswith("Of the log of ")
    assert said.endswith(f"The same is so of {len(story.logs) - 1} more logs.")
    assert "\x1b" not in said
    lines = ["".join(part for part, _ in line) for line in trial_lines(campaign(trial), trial)]
    assert any(line.startswith("  note     Of the log of ") for line in lines)
    assert f"- {clean(said)}" in markdown(campaign(trial))


def in_logfmt(line: str) -> str:
    """The line as Valkey writes it with `log-format logfmt`, and as a kubelet with an offset stamps it."""
    line = re.sub(r"^(\S+)Z ", r"\1+00:00 ", line)
    roles = {"X": "sentinel", "S": "replica", "M": "primary"}
    found = re.fullmatch(r"(\S+) \d+:([A-Z]) (.{24}) [.\-*#] (.*)\n", line)
    if found is None:
        return line
    return f'{found[1]} pid=1 role={roles[found[2]]} timestamp="{found[3]}" level=notice message="{found[4]}"\n'


def test_logs_with_offsets_and_in_logfmt_tell_the_same_failover(analysed: Analysed):
    plain, other = kill_master(), kill_master()
    other.logs = {pod: [in_logfmt(line) for line in lines] for pod, lines in other.logs.items()}
    one, two = analysed(plain), analysed(other)
    assert other.logs != plain.logs
    assert {name: its.at_s for name, its in two.milestones.items()} == {
        name: its.at_s for name, its in one.milestones.items()
    }
    assert two.findings == one.findings


def test_a_name_that_stopped_resolving_is_told_and_one_that_never_did_explains_nothing(analysed: Analysed):
    story = kill_master(paths=("service",), back_s=20.0).without("resolved")
    story.event("resolved", -5.0, AGENT, name="rfrm-redis-cluster", addresses=["10.96.71.10"])
    story.event("resolved", 2.0, AGENT, name="rfrm-redis-cluster", addresses=[], error="Name or service not known")
    story.event("resolved", 18.0, AGENT, name="rfrm-redis-cluster", addresses=["10.96.71.10"])
    found = the(analysed(story), "name not found")
    assert found.sentence == (
        "The name rfrm-redis-cluster did not resolve from 2.0 s on until 18.0 s: Name or service not known. "
        "It had resolved before."
    )
    assert found.explains
    never = the(analysed(kill_master(paths=("service", "given"), back_s=10.0)), "name not found")
    assert never.explains == ()
    assert never.severity == "note"


def pod(**state: Any) -> Story:
    return kill_master(paths=("service", "sentinel"), back_s=10.0).pod(12.0, 2, ready=False, **state)


def test_a_pod_that_crash_loops_or_does_not_start_is_told(analysed: Analysed):
    found = the(analysed(pod(waiting="CrashLoopBackOff", ended="Error", restarts=3)), "crash loop")
    assert found.sentence == (
        f"{PODS[2]} crash-loops from 12.0 s on, after 3 restarts; its container ended with Error."
    )
    assert found.severity == "out"
    assert "(ImagePullBackOff)" in the(analysed(pod(waiting="ImagePullBackOff")), "pod does not start").sentence
    assert the(analysed(pod(waiting="CrashLoopBackOff").pod(20.0, 2)), "crash loop").until_s == 20.0


def test_a_pod_that_was_killed_for_memory_is_told(analysed: Analysed):
    trial = analysed(pod(ended="OOMKilled", restarts=1))
    assert f"{PODS[2]} was killed for memory (OOMKilled)" in the(trial, "killed for memory").sentence
    assert "memory limit" in the(trial, "killed for memory").advice


def test_whoever_plays_a_kill_for_memory_is_not_told_to_raise_the_limit(analysed: Analysed):
    played = Story().fault("oom").pod(3.0, 2, ended="OOMKilled", restarts=1)
    assert the(analysed(played), "killed for memory").advice == ""


def test_a_kill_for_memory_of_before_the_fault_is_not_told_again(analysed: Analysed):
    """A pod says for as long as it lives how its container ended last."""
    old = Story().fault().pod(-5.0, 2, ended="OOMKilled", restarts=1).pod(3.0, 2, ended="OOMKilled", restarts=1)
    assert "killed for memory" not in names(analysed(old))
    again = Story().fault().pod(-5.0, 2, ended="OOMKilled", restarts=1).pod(3.0, 2, ended="OOMKilled", restarts=2)
    assert "killed for memory" in names(analysed(again))


def test_a_pod_that_cannot_be_scheduled_is_told_in_the_schedulers_words(analysed: Analysed):
    found = the(analysed(pod(unschedulable="0/3 nodes are available: 3 Insufficient cpu.")), "cannot be scheduled")
    assert "until the end: 0/3 nodes are available: 3 Insufficient cpu." in found.sentence


@pytest.mark.parametrize(
    "state", [{"waiting": "ContainerCreating"}, {"waiting": "PodInitializing"}, {"ended": "Error"}]
)
def test_a_pod_that_is_being_started_is_no_finding(analysed: Analysed, state: dict[str, str]):
    assert names(analysed(pod(**state))) == set()
