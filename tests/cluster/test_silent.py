"""What is said of a member that does not answer while a system starts, and what is final."""

import pytest

from chaos.cluster.health import final, last_words, silent, state, tail
from chaos.record.events import Pod
from tests.cluster.test_health import SYSTEM, healthy, tell

STAMP = "2026-11-23T09:14:37.391934567+09:00 "


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "its log is empty"),
        (["", "  "], "its log is empty"),
        (["one", "two", "three", "four"], 'its log ends: "two", "three", "four"'),
        ([f"{STAMP}getent: not found"] * 23, 'its log ends: "getent: not found" (23 times)'),
        ([*["wait"] * 2, f"{STAMP}oh"], 'its log ends: "wait" (2 times), "oh"'),
    ],
)
def test_the_last_words_of_a_log(lines, says):
    assert last_words(lines) == says


def pod(**changes) -> Pod:
    usual = {"name": "redis-1", "uid": "u", "component": "redis", "ip": None, "node": None, "phase": "Pending"}
    rest = {"ready": False, "role": None, "container": "", "restarts": 0, "started_at": None, "deleting": False}
    return Pod(**(usual | rest | {"gone": False} | changes))


@pytest.mark.parametrize(
    ("its", "says"),
    [
        ({}, "its phase is Pending"),
        ({"unschedulable": "0/4 nodes are available"}, "no node takes it (0/4 nodes are available)"),
        (
            {"waiting": "CrashLoopBackOff", "restarts": 3, "ended": "Error", "started_at": "09:14"},
            "its container waits (CrashLoopBackOff), it was started again 3 times, "
            "the container before ended with Error",
        ),
        ({"started_at": "2026-11-23T09:14:37Z"}, "its process runs since 2026-11-23T09:14:37Z"),
    ],
)
def test_the_state_of_a_pod(its, says):
    assert state(pod(**its)) == says


def test_of_a_healthy_system_nothing_is_said(tmp_path):
    assert not list(silent(healthy(), tmp_path))
    assert not list(final(healthy(), SYSTEM))


def test_each_member_that_does_not_answer_is_described_with_its_log(tmp_path):
    facts = healthy()
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "redis-rfr-1.log").write_text(f"{STAMP}getent: not found\n" * 2)
    tell(facts, "log.opened", file="redis-rfr-1.log", component="redis", pod="rfr-1", uid="u", container="redis")
    tell(facts, "role.lost", member="rfr-1", error="refused")
    tell(facts, "sentinel.lost", sentinel="rfs-b", error="timeout")

    assert list(silent(facts, tmp_path)) == [
        'rfr-1: its phase is Running; its log ends: "getent: not found" (2 times)',
        "rfs-b: its phase is Running; its log is empty",
    ]


def test_only_the_end_of_a_long_log_is_read(tmp_path):
    path = tmp_path / "long.log"
    path.write_text("a line of the log\n" * 100_000 + "the last\n")
    assert tail(path)[-1] == "the last"
    assert len(tail(path)) < 1000
    assert tail(tmp_path / "none") == tail(None) == []


def test_a_setting_that_the_server_does_not_have_is_final_and_one_that_is_still_different_is_not():
    facts = healthy()
    tell(facts, "settings", member="rfr-1", component="redis", settings={"maxmemory": "0"})
    assert not list(final(facts, SYSTEM))
    tell(facts, "settings", member="rfr-1", component="redis", settings={"save": ""})
    assert list(final(facts, SYSTEM)) == ["rfr-1 has no setting maxmemory; a server of another version may have it"]
    tell(facts, "settings", member="rfr-1", component="redis", settings={}, error="NOPERM")
    assert not list(final(facts, SYSTEM))


@pytest.mark.parametrize(("reason", "is_final"), [("ErrImageNeverPull", True), ("ContainerCreating", False)])
def test_a_container_that_can_never_start_is_final(reason, is_final):
    facts = healthy()
    facts.pods["rfr-2"] = pod(name="rfr-2", waiting=reason)
    assert list(final(facts, SYSTEM)) == [f"rfr-2 cannot start: its container waits ({reason})"] * is_final
