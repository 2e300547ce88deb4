"""The servers' words: lines that they wrote, and each server that is here asked again."""

import asyncio

import pytest

from chaos.analysis.logs import find
from chaos.analysis.milestones import PROMOTED_LINE
from chaos.analysis.sentinels import attempts, everything_said
from chaos.clock import wall_ns
from tests.analysis.conftest import Analysed, Placed
from tests.observe.test_failover import watched
from tests.recordings import Story, kill_master
from tests.recordings.world import IPS, PODS
from tests.rig import REDIS, SENTINELS, Rig

PROMOTED = {
    "redis-6.2": "29930:M 25 Nov 2026 09:32:00.787 * MASTER MODE enabled (user request from 'id=13 "
    "addr=127.0.0.1:43059 laddr=127.0.0.1:33242 fd=7 name=sentinel-d3bbbba2-cmd age=6 idle=0 flags=x db=0 "
    "sub=0 psub=0 multi=4 qbuf=202 qbuf-free=32568 argv-mem=4 "
    "obl=45 oll=0 omem=0 tot-mem=49804 events=r cmd=exec user=default redir=-1')",
    "redis-7.0": "29894:M 25 Nov 2026 09:32:00.572 * MASTER MODE enabled (user request from 'id=7 addr=127.0.0.1:54318 "
    "laddr=127.0.0.1:33401 fd=10 name=sentinel-90b856fb-cmd age=6 idle=0 flags=x db=0 sub=0 psub=0 ssub=0 multi=4 "
    "qbuf=188 qbuf-free=20286 argv-mem=4 multi-mem=169 rbs=2048 rbp=1024 obl=45 oll=0 omem=0 tot-mem=23589 events=r "
    "cmd=exec user=default redir=-1 resp=2')",
    "valkey-9.1": "1474:M 25 Nov 2026 09:33:02.398 * PRIMARY MODE enabled (user request from 'id=13 "
    "addr=127.0.0.1:46632 laddr=127.0.0.1:22822 fd=16 name=*redacted* user=*redacted* lib-name= lib-ver=')",
}
OTHERS = """\
1473:S 25 Nov 2026 09:33:03.268 * Connecting to PRIMARY 127.0.0.1:22822
1473:S 25 Nov 2026 09:33:03.268 * REPLICAOF 127.0.0.1:22822 enabled (user request from 'id=13 addr=127.0.0.1:51582')
30635:S 25 Nov 2026 09:32:16.700 * MASTER <-> REPLICA sync started
"""
NOT_LOGGED = {"-role-change"}
"""Published, and logged by a more talkative server only."""


@pytest.mark.parametrize("server", PROMOTED)
def test_the_line_of_a_promotion_is_found_and_no_other(server, tmp_path):
    log = tmp_path / "redis.log"
    log.write_text(f"{OTHERS}{PROMOTED[server]}\n{OTHERS}")
    (line,) = find(log, PROMOTED_LINE, "redis-1")
    assert line.text == PROMOTED[server]
    assert line.wall_ns[1] - line.wall_ns[0] == 1_000_000


def test_a_promotion_in_valkeys_words_has_the_logs_stamp(analysed: Analysed):
    story = kill_master()
    story.logs[PODS[1]] = [line.replace("MASTER MODE", "PRIMARY MODE") for line in story.logs[PODS[1]]]
    promoted = analysed(story).milestones["promoted"]
    assert promoted.source == "redis-log"
    assert promoted.at_s is not None
    assert promoted.at_s.least == pytest.approx(5.91)


def test_what_valkey_takes_back_of_a_requested_failover_makes_it_no_detected_one(placed: Placed):
    story = Story().failover(sdown_s=None, try_s=0.2, promoted_s=0.4)
    story.sentinel(0.2001, 0, "-sdown", f"master mymaster {IPS[0]} 6379")
    (attempt,) = attempts(everything_said(placed(story)))
    assert (attempt.requested, attempt.completed, attempt.epoch) == (True, True, 1)


@pytest.mark.redis
async def test_every_server_tells_of_a_failover_in_the_words_that_are_read(rig_of: Rig, tmp_path):
    async with watched(rig_of, tmp_path) as watch:
        for name in REDIS:
            await watch.first("role", member=name)
        for name in SENTINELS:
            await watch.first("sentinel.address", sentinel=name)
        killed_ns = wall_ns()
        await asyncio.to_thread(rig_of.kill, REDIS[0])
        for name in SENTINELS:
            switched = await watch.first("sentinel.event", sentinel=name, channel="+switch-master")
        for channel in ("+sdown", "+odown", "+try-failover", "+vote-for-leader", "+elected-leader", "+promoted-slave"):
            await watch.first("sentinel.event", channel=channel)
        promoted = await watch.first("role", role="master", address=":".join(switched.event.payload.split()[3:]))
    successor = promoted.event.member
    log = rig_of.processes[successor].log
    assert [line for line in find(log, PROMOTED_LINE, successor) if line.wall_ns[0] > killed_ns]
    said = [one.event for one in watch.seen("sentinel.event", sentinel=SENTINELS[0])]
    published = {f"{one.channel} {one.payload}" for one in said if one.channel not in NOT_LOGGED}
    logged = {line.message for line in find(rig_of.processes[SENTINELS[0]].log, "[+-][a-z]", SENTINELS[0])}
    assert "+switch-master" in {one.channel for one in said}
    assert published <= logged
