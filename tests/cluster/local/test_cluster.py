"""What is done to a real system of processes, and what it says of it. One system a test."""

import asyncio
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from chaos.clock import HOST, mono_ns
from chaos.cluster.base import Partition, Stop
from chaos.cluster.local.cluster import connect
from chaos.errors import FaultError, SetupError
from chaos.model import Member, MemberKind
from chaos.record.events import Stamped
from chaos.until import until
from tests.cluster.local.systems import WITHIN_S, held, pid_of, reaches, reference, scenario

pytestmark = pytest.mark.local

NOBODY = "10.93.99.99"
NAMES = ["controller", "redis-0", "redis-1", "redis-2", "sentinel-0", "sentinel-1", "sentinel-2"]


def state(pid: int) -> str:
    """R, S, T, Z…; empty where it is gone."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.read_text().rpartition(")")[2].split()[0] if stat.exists() else ""


def took_effect(effect, member: Member) -> None:
    assert effect.domain == member.domain == HOST
    assert effect.earliest_ns <= effect.latest_ns <= effect.accepted_ns <= mono_ns()
    assert effect.confirmed_ns is not None


async def test_a_system_is_whole_once_it_is_held(tmp_path):
    async with held(tmp_path) as one:
        members = await one.cluster.members()
        assert sorted(members) == NAMES
        assert one.cluster.cannot == {}
        assert len({member.address for member in members.values()}) == len(NAMES)
        assert [members[f"redis-{number}"].ordinal for number in range(3)] == [0, 1, 2]
        assert {members[name].kind for name in NAMES[4:]} == {MemberKind.SENTINEL}
        await one.until("endpoints", service="redis")
        assert all(pod.event.ready for pod in one.said("pod")[-len(NAMES) :])
        labels = {pod.event.name: pod.event.role for pod in one.said("pod", component="redis")}
        assert labels == {"redis-0": "master", "redis-1": "slave", "redis-2": "slave"}
        assert {event.event.service: event.event.selector for event in one.said("service")} == {
            "redis": {"role": "master"},
            "sentinel": {"component": "sentinel"},
        }
        for opened in one.said("log.opened"):
            assert opened.domain == HOST
            assert (tmp_path / "logs" / opened.event.file).exists()


async def test_a_killed_process_is_started_again_in_place(tmp_path):
    async with held(tmp_path, scenario(local__ready="500ms")) as one:
        before, pid = await one.member("redis-1"), pid_of("redis-1")
        effect = await one.cluster.stop(before, Stop.KILL)
        took_effect(effect, before)
        assert str(pid) in effect.evidence
        assert state(pid) == ""
        down = await one.until("pod", name="redis-1", ready=False, started_at=None)
        started = await one.until("pod", name="redis-1", restarts=1)
        assert 0.2e9 <= started.at_ns - down.at_ns < 2e9
        ready = await one.until("pod", name="redis-1", restarts=1, ready=True)
        assert not started.event.ready
        assert 0.5e9 <= ready.at_ns - started.at_ns < 2e9
        after = await one.member("redis-1")
        assert (after.uid, after.address) == (before.uid, before.address)
        assert after.container != before.container
        assert len(list((tmp_path / "logs").glob("redis-redis-1-*"))) == 1
        with pytest.raises(FaultError, match="redis-1 is no longer the one that was aimed at"):
            await one.cluster.stop(before, Stop.KILL)


async def test_a_process_that_ends_by_itself_is_started_again_too(tmp_path):
    async with held(tmp_path) as one:
        os.kill(pid_of("redis-2"), signal.SIGTERM)
        await one.until("pod", name="redis-2", restarts=1, ready=True)


async def test_a_crashed_member_is_taken_away_and_comes_back_as_another(tmp_path):
    wanted = scenario(local__replace__address="new", local__replace__data="lost")
    async with held(tmp_path, wanted) as one:
        before, pid = await one.member("redis-0"), pid_of("redis-0")
        effect = await one.cluster.stop(before, Stop.CRASH)
        took_effect(effect, before)
        assert state(pid) == ""
        gone = await one.until("pod", name="redis-0", uid=before.uid, gone=True)
        assert "redis-0" not in await one.cluster.members()
        await one.until("log.closed", uid=before.uid)

        async def back() -> Member | None:
            return (await one.cluster.members()).get("redis-0")

        after = await until(back, within_s=WITHIN_S, because="redis-0 is back")
        assert after.uid != before.uid
        assert after.address != before.address
        [first] = one.said("pod", uid=after.uid)[:1]
        assert first.event.role == "slave"
        assert first.at_ns - gone.at_ns >= 0.3e9
        assert one.said("pod", uid=before.uid, restarts=1) == []
        assert len(list((tmp_path / "logs").glob("redis-redis-0-*"))) == 2


async def test_a_deleted_master_hands_over_before_it_goes(tmp_path):
    async with held(tmp_path, scenario(local__terminate="6s")) as one:
        before = await one.member("redis-0")
        effect = await one.cluster.stop(before, Stop.DELETE)
        took_effect(effect, before)
        deleting = await one.until("pod", name="redis-0", deleting=True)
        labelled = await one.until("pod", role="master", gone=False, deleting=False, ready=True, restarts=0)
        assert labelled.event.name == "redis-0"
        await one.until("failover.asked", member="redis-0", reply="OK")
        moved = await until(lambda: moved_to(one), within_s=WITHIN_S, because="another is labelled", every_s=0.02)
        gone = await one.until("pod", name="redis-0", gone=True)
        assert deleting.at_ns <= moved.at_ns <= gone.at_ns
        assert 5.9e9 <= gone.at_ns - deleting.at_ns < 12e9
        said = "".join(path.read_text() for path in (tmp_path / "logs").glob("sentinel-*"))
        assert "+try-failover" in said
        assert "+sdown master" not in said


async def moved_to(one):
    found = [pod for pod in one.said("pod", role="master") if pod.event.name != "redis-0"]
    return found[0] if found else None


@pytest.mark.parametrize(("name", "hands_over"), [("redis-1", "true"), ("redis-0", "false"), ("sentinel-1", "true")])
async def test_a_member_whose_hook_has_nothing_to_do_goes_at_once(tmp_path, name, hands_over):
    async with held(tmp_path, scenario(local__terminate="30s", local__hands_over=hands_over)) as one:
        before = await one.member(name)
        await one.cluster.stop(before, Stop.DELETE)
        deleting = await one.until("pod", name=name, deleting=True)
        gone = await one.until("pod", name=name, gone=True)
        assert gone.at_ns - deleting.at_ns < 5e9


async def test_a_master_that_hands_nothing_over_goes_at_once_and_sentinel_finds_out(tmp_path):
    async with held(tmp_path, scenario(local__hands_over="false", local__replace__after="8s")) as one:
        await one.cluster.stop(await one.member("redis-0"), Stop.DELETE)
        deleting = await one.until("pod", name="redis-0", deleting=True)
        gone = await one.until("pod", name="redis-0", gone=True)
        assert gone.at_ns - deleting.at_ns < 5e9
        await until(lambda: moved_to(one), within_s=WITHIN_S, because="another is labelled", every_s=0.02)
        said = "".join(path.read_text() for path in (tmp_path / "logs").glob("sentinel-*"))
        assert "+sdown master" in said


@pytest.mark.parametrize(
    ("hook", "least_s", "most_s", "seen"),
    [
        ("none", 0.0, 5.0, "it has no hook"),
        ("failover", 5.0, 15.0, "its hook was answered OK by Sentinel"),
        ("sleep", 5.0, 15.0, "0.5 s later it runs on"),
        ("save", 5.0, 15.0, "it answered OK to SAVE"),
        ("shutdown", 0.0, 5.0, "to SHUTDOWN and was gone"),
    ],
)
async def test_a_hook_of_the_experiments_own_does_its_work_and_sleeps_before_the_process_ends(
    tmp_path, hook, least_s, most_s, seen
):
    """The scenario's own hook would ask Sentinel and wait for 30 s."""
    async with held(tmp_path, scenario(local__terminate="30s", local__replace__after="8s")) as one:
        effect = await one.cluster.afflict(await one.member("redis-0"), "delete", hook=hook, sleep_s=5.0)
        assert effect.confirmed_ns is not None
        assert effect.evidence.endswith(seen)
        deleting = await one.until("pod", name="redis-0", deleting=True)
        gone = await one.until("pod", name="redis-0", gone=True)
        assert least_s <= (gone.at_ns - deleting.at_ns) / 1e9 < most_s
        assert len(one.said("failover.asked")) == (hook == "failover")


async def test_a_hook_of_a_process_that_ends_meanwhile_is_not_proved(tmp_path):
    async with held(tmp_path, scenario(local__replace__after="8s")) as one:
        member, pid = await one.member("redis-0"), pid_of("redis-0")
        asked = asyncio.create_task(one.cluster.afflict(member, "delete", hook="sleep", sleep_s=2.0))
        await one.until("pod", name="redis-0", deleting=True)
        os.kill(pid, signal.SIGKILL)
        effect = await asked
        assert effect.confirmed_ns is None
        assert effect.evidence.endswith("0.5 s later it was gone")


@pytest.mark.parametrize("address", ["kept", "new"])
async def test_a_redis_that_asks_sentinel_waits_for_a_master_that_answers(tmp_path, address):
    """At its old address it is the master still, as Sentinel has not missed it; at a new one it waits for another."""
    wanted = scenario(local__asks_sentinel="true", local__replace__address=address, local__password="generated")
    async with held(tmp_path, wanted) as one:
        before = await one.member("redis-0")
        await one.cluster.stop(before, Stop.CRASH)

        async def back() -> Stamped[Any] | None:
            started = [pod for pod in one.said("pod", name="redis-0") if pod.event.uid != before.uid]
            return next((pod for pod in started if pod.event.container), None)

        started = await until(back, within_s=WITHIN_S, because="redis-0 is back", every_s=0.02)
        waited_s = (started.at_ns - one.said("pod", name="redis-0", gone=True)[0].at_ns) / 1e9
        assert (waited_s < 2.0) is (address == "kept")
        conf = conf_of("redis-0").read_text()
        assert ("replicaof" in conf) is (address == "new")
        assert "requirepass" in conf


def conf_of(name: str) -> Path:
    return Path(f"/proc/{pid_of(name)}/cwd").resolve().parent / "server.conf"


async def test_a_pause_holds_until_it_is_resumed_or_healed(tmp_path):
    async with held(tmp_path) as one:
        member, pid = await one.member("redis-2"), pid_of("redis-2")
        for undo in (lambda: one.cluster.resume(member), one.cluster.heal, one.cluster.heal):
            effect = await one.cluster.stop(member, Stop.PAUSE)
            took_effect(effect, member)
            assert state(pid) == "T"
            await undo()
            await one.cluster.heal()
            assert state(pid) in "SR"


@pytest.mark.netns
async def test_a_cut_member_reaches_none_of_its_peers_until_it_is_healed(tmp_path):
    async with held(tmp_path) as one:
        members = await one.cluster.members()
        target = members["redis-0"]
        peers = tuple(member.address for member in members.values() if member is not target)
        pid = pid_of("redis-0")
        assert reaches(pid, members["redis-1"].address)
        effect = await one.cluster.cut(Partition(member=target, peers=peers, longest_s=60.0))
        took_effect(effect, target)
        assert "packets between redis-0 and 6 peers were dropped" in effect.evidence
        assert not reaches(pid, members["redis-1"].address)
        assert not reaches(pid_of("redis-1"), target.address)
        assert reaches(pid, "10.93.0.1")
        await one.cluster.heal()
        assert reaches(pid, members["redis-1"].address)
        await one.cluster.heal()
        assert one.said("fault.undone") == []


@pytest.mark.netns
async def test_another_cut_of_a_member_replaces_its_present_one_and_leaves_those_of_others(tmp_path):
    async with held(tmp_path) as one:
        members = await one.cluster.members()
        first, second, other = (members[f"redis-{number}"] for number in range(3))
        for target, peer in ((second, other), (first, other), (first, second)):
            await one.cluster.cut(Partition(member=target, peers=(peer.address,), longest_s=60.0))
        assert reaches(pid_of("redis-0"), other.address)
        assert not reaches(pid_of("redis-0"), second.address)
        assert not reaches(pid_of("redis-1"), other.address)


@pytest.mark.netns
async def test_a_cut_ends_at_its_longest_and_says_so(tmp_path):
    async with held(tmp_path) as one:
        members = await one.cluster.members()
        target = members["redis-0"]
        effect = await one.cluster.cut(Partition(member=target, peers=(members["redis-1"].address,), longest_s=1.0))
        undone = await one.until("fault.undone", what="cut")
        assert undone.event.because == "it had lasted its longest, 1 s"
        assert undone.at_ns - effect.earliest_ns >= 1e9
        assert reaches(pid_of("redis-0"), members["redis-1"].address)


async def test_a_fault_ends_when_its_host_is_silent_for_its_lease(tmp_path):
    """Its host renews once a second, which is too seldom for this lease."""
    async with held(tmp_path) as one:
        member, pid = await one.member("redis-2"), pid_of("redis-2")
        aim = {"member": member.name, "uid": member.uid, "container": member.container}
        await one.cluster.ask("pause", **aim, lease_s=0.4, longest_s=60.0)
        undone = await one.until("fault.undone", what="pause")
        assert undone.event.because == "no renewal for 0.4 s"
        assert state(pid) in "SR"


@pytest.mark.netns
async def test_a_cut_that_ends_before_it_dropped_a_packet_is_not_confirmed(tmp_path):
    """Its table is gone while the first packet is still waited for."""
    async with held(tmp_path) as one:
        effect = await one.cluster.cut(Partition(member=await one.member("redis-0"), peers=(NOBODY,), longest_s=0.3))
        assert effect.confirmed_ns is None
        assert "there is no cut any more" in effect.evidence


async def test_a_controller_that_is_killed_is_started_again_and_told_its_task(tmp_path):
    async with held(tmp_path) as one:
        await one.cluster.stop(await one.member("controller"), Stop.KILL)
        await one.until("pod", name="controller", restarts=1)
        await one.cluster.stop(await one.member("redis-0"), Stop.DELETE)
        await until(lambda: moved_to(one), within_s=WITHIN_S, because="another is labelled", every_s=0.02)


async def test_a_controller_that_ends_by_itself_is_the_harnesss_failing(tmp_path):
    async with held(tmp_path) as one:
        os.kill(pid_of("controller"), signal.SIGTERM)
        with pytest.raises(SetupError, match="controller ended by itself with SIGTERM"):
            await one.following
        with pytest.raises(SetupError, match="controller ended by itself with SIGTERM"):
            await one.cluster.heal()


async def test_a_member_that_cannot_start_is_an_error_with_its_last_words(tmp_path):
    wanted = scenario(settings__redis='{"proc-title-template": "{nonsense}"}')
    with pytest.raises(SetupError, match=r"redis-\d ended by itself with exit code 1: .*proc-title-template"):
        async with held(tmp_path, wanted):
            pass


async def test_a_member_that_does_not_answer_is_described_within_ten_seconds(tmp_path):
    """A start script that waits for ever, as one does whose image lacks a tool."""
    script = tmp_path / "server"
    script.write_text("#!/bin/sh\nwhile true; do echo getent: not found; sleep 0.5; done\n")
    script.chmod(0o755)
    begun_ns = mono_ns()
    with pytest.raises(SetupError) as error:
        async with connect(reference() | {"program": str(script)}, scenario(), tmp_path / "trial"):
            pass
    assert (mono_ns() - begun_ns) / 1e9 < WITHIN_S
    assert re.search(
        r"gave up after 8 s: .* does not answer \(.*refused.*\); redis-0: its process runs since .*; "
        r'its log ends: "getent: not found" \(\d+ times\)',
        str(error.value),
    )
