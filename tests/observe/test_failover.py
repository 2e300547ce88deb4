"""The observers on a real failover: what they see, and how wide its intervals are."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from chaos.access import Accesses
from chaos.clock import mono_ns
from chaos.observe.observers import GONE, Observers
from chaos.record.event_files import EventWriter, read_events
from chaos.record.events import Stamped
from chaos.until import until
from tests.rig import MASTER_NAME, REDIS, SENTINELS, Rig
from tests.saying import said

pytestmark = pytest.mark.redis


class Watched:
    """Observers on a rig, and what they have written so far."""

    def __init__(self, observers: Observers, events: EventWriter) -> None:
        self.observers = observers
        self._events = events

    def seen(self, kind: str, **fields: object) -> list[Stamped[Any]]:
        """Events of this kind with these fields, in the order of the file."""
        events = (event for event in read_events(self._events.path) if event.event.kind == kind)
        return [event for event in events if fields.items() <= said(event).items()]

    async def first(self, kind: str, after_ns: int = 0, **fields: object) -> Stamped[Any]:
        async def look() -> Stamped[Any] | None:
            return next((event for event in self.seen(kind, **fields) if event.at_ns > after_ns), None)

        return await until(look, within_s=60, because=f"{kind} {fields}", every_s=0.02)


@asynccontextmanager
async def watched(rig: Rig, tmp_path, settings: Iterable[Sequence[str]] = ()) -> AsyncIterator[Watched]:
    events = EventWriter(tmp_path / "agent.jsonl", "agent")
    async with asyncio.TaskGroup() as group:
        observers = Observers(group, MASTER_NAME, events, Accesses(), settings)
        observers.follow(rig.members())
        try:
            yield Watched(observers, events)
        finally:
            observers.stop()
            events.close()


async def test_a_declared_setting_is_read_and_by_its_old_name_where_the_server_knows_no_other(rig, tmp_path):
    declared = (("maxclients",), ("a-name-to-come", "slave-priority"), ("replica-priority", "slave-priority"))
    async with watched(rig, tmp_path, declared) as watch:
        event = await watch.first("settings", member=REDIS[0])

    settings = event.event.settings
    assert int(settings["maxclients"]) > 0
    assert settings["slave-priority"] == settings["replica-priority"] == "100"
    assert "a-name-to-come" not in settings


async def test_who_sets_a_redis_is_witnessed_by_its_own_statistics(rig, tmp_path):
    """As an operator does in each pass. Our own CONFIG GET is none, and neither is Sentinel's CONFIG REWRITE."""
    async with watched(rig, tmp_path) as watch:
        before = await watch.first("config.set", member=REDIS[1])
        asked_ns = mono_ns()
        rig.call(REDIS[1], "CONFIG", "GET", "maxclients")
        rig.call(REDIS[1], "CONFIG", "SET", "maxclients", "4000")
        after = await watch.first("config.set", after_ns=asked_ns, member=REDIS[1])
        seen = watch.seen("config.set", member=REDIS[1])

    assert after.event.calls == before.event.calls + 1
    assert since(after) <= asked_ns <= after.at_ns
    assert len(seen) == 2


def since(event: Stamped[Any]) -> int:
    """The earliest edge of an event that has one."""
    assert event.since_ns is not None, event
    return event.since_ns


async def test_a_healthy_system_is_told_whole_at_first_sight(rig, tmp_path):
    async with watched(rig, tmp_path) as watch:
        for name in REDIS:
            await watch.first("role", member=name)
            await watch.first("settings", member=name, component="redis")
        for name in SENTINELS:
            await watch.first("sentinel.address", sentinel=name)
            state = await watch.first("sentinel.state", sentinel=name, num_slaves=2, num_other_sentinels=2, quorum=2)
            await watch.first("settings", member=name, component="sentinel")

    assert watch.seen("role", member=REDIS[0])[0].event.role == "master"
    assert {replica["flags"] for replica in state.event.replicas} == {"slave"}
    text = (tmp_path / "agent.jsonl").read_text()
    assert "requirepass" not in text
    assert "masterauth" not in text


async def test_a_killed_master_s_failover_is_seen_from_detection_to_the_last_sentinel(rig, tmp_path):
    async with watched(rig, tmp_path) as watch:
        for name in REDIS:
            await watch.first("role", member=name)
        killed_ns = mono_ns()
        rig.kill(REDIS[0])
        lost = await watch.first("role.lost", member=REDIS[0])
        for channel in ("+sdown", "+odown", "+try-failover", "+elected-leader", "+promoted-slave"):
            await watch.first("sentinel.event", channel=channel)
        promoted = await watch.first("role", after_ns=killed_ns, role="master")
        for name in SENTINELS:
            await watch.first("sentinel.event", sentinel=name, channel="+switch-master")
        new = promoted.event.address
        switched = [await watch.first("sentinel.address", sentinel=name, address=new) for name in SENTINELS]
        follower = await watch.first("role", role="slave", master=new, link="up")

    assert since(lost) < killed_ns < lost.at_ns
    widths_ms = sorted((event.at_ns - since(event)) / 1e6 for event in (lost, promoted, follower, *switched))
    assert widths_ms[0] < 500, "two polls and what a connection takes"
    assert widths_ms[-1] < 10_000, "a machine that is busy otherwise widens them"
    for event in watch.seen("sentinel.event"):
        assert since(event) < event.at_ns


async def test_a_replaced_redis_is_watched_at_its_new_address_and_its_change_reaches_back_to_the_old_pod(rig, tmp_path):
    async with watched(rig, tmp_path) as watch:
        old = await watch.first("role", member=REDIS[1])
        before_ns = mono_ns()
        rig.replace(REDIS[1], REDIS[0])
        watch.observers.follow(rig.members())
        address = f"127.0.0.1:{rig.member(REDIS[1]).port}"
        new = await watch.first("role", member=REDIS[1], address=address)

    assert new.event.run_id != old.event.run_id
    assert since(new) < before_ns < new.at_ns


async def test_a_member_that_left_is_watched_no_more_and_the_record_says_so(rig, tmp_path):
    async with watched(rig, tmp_path) as watch:
        await watch.first("role", member=REDIS[2])
        watch.observers.follow(member for member in rig.members() if member.name != REDIS[2])
        lost = await watch.first("role.lost", member=REDIS[2])
        await asyncio.sleep(1.2)

    assert lost.event.error == GONE
    assert [event for event in watch.seen("role", member=REDIS[2]) if event.at_ns > lost.at_ns] == []


async def test_a_paused_redis_holds_its_observer_for_a_second_at_most(rig, tmp_path):
    async with watched(rig, tmp_path) as watch:
        await watch.first("role", member=REDIS[2])
        paused_ns = mono_ns()
        rig.pause(REDIS[2])
        lost = await watch.first("role.lost", member=REDIS[2])
        rig.resume(REDIS[2])
        back = await watch.first("role", after_ns=lost.at_ns, member=REDIS[2])

    assert lost.event.error == "no answer within 1 s"
    assert since(lost) < paused_ns
    assert (back.at_ns - lost.at_ns) / 1e9 < 30


async def test_a_sentinel_that_dies_and_returns_leaves_a_gap_in_what_it_published(rig, tmp_path):
    name = SENTINELS[2]
    async with watched(rig, tmp_path) as watch:
        await watch.first("sentinel.address", sentinel=name)
        rig.kill(name)
        lost = await watch.first("sentinel.lost", sentinel=name)
        await watch.first("gap", source=f"sentinel.event/{name}")
        rig.restart(name)
        back = await watch.first("sentinel.back", sentinel=name)
        gap = await watch.first("gap", source=f"sentinel.event/{name}", text="listened to again")

    assert since(lost) < lost.at_ns <= back.at_ns
    assert since(gap) < lost.at_ns < gap.at_ns


async def test_a_sentinel_that_forgets_the_master_is_told_as_not_monitoring(rig, tmp_path):
    """The operator removes and adds the monitored master when it finds the wrong one."""
    async with watched(rig, tmp_path) as watch:
        await watch.first("sentinel.state", sentinel=SENTINELS[0], flags="master")
        assert rig.call(SENTINELS[0], "SENTINEL", "REMOVE", MASTER_NAME) == "OK"
        await watch.first("sentinel.state", sentinel=SENTINELS[0], flags="not-monitored")
        address = await watch.first("sentinel.address", sentinel=SENTINELS[0], address=None)

    assert (address.at_ns - since(address)) / 1e9 < 30


async def test_a_changed_setting_is_seen_at_a_later_poll(rig, tmp_path):
    async with watched(rig, tmp_path) as watch:
        await watch.first("settings", member=SENTINELS[0])
        rig.call(SENTINELS[0], "SENTINEL", "SET", MASTER_NAME, "down-after-milliseconds", 5000)

        async def changed() -> bool:
            settings = watch.seen("settings", member=SENTINELS[0])[-1].event.settings
            return str(settings["down-after-milliseconds"]) == "5000"

        await until(changed, within_s=60, because="the new down-after in the record")
