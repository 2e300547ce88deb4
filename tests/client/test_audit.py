"""The audit against real servers: what is there, what is not, and when it may not be believed."""

from pathlib import Path
from typing import Any

import pytest

from chaos.client.audit import audit, sanity
from chaos.model import Member, Outcome
from chaos.record.event_files import EventWriter, read_events
from chaos.record.events import Stamped
from chaos.record.reader import Recording
from tests.client.conftest import Start
from tests.client.play import Play, Server, load, new_and_kept, playing, seconds
from tests.saying import said

pytestmark = pytest.mark.redis


class Audited:
    """A short load on one server, then an audit of it, after whatever the test does in between."""

    def __init__(self, directory: Path, server: Server) -> None:
        self.directory = directory
        self.server = server
        self.load = load()
        self.play: Play
        self.addresses = [server.address]
        self.members: list[Member] = [server.member()]

    async def run(self) -> None:
        self.events = EventWriter(self.directory / "events" / "audit.jsonl", "agent")
        await sanity(self.members, self.events)
        async with playing(self.directory, new_and_kept(self.server.address), self.load) as self.play:
            await seconds(0.4)

    async def audit(self) -> dict[str, Any]:
        await audit(self.directory, self.load, self.addresses, self.members, self.events)
        self.events.close()
        return said(self.kinds("audit")[0])

    def kinds(self, kind: str) -> list[Stamped[Any]]:
        return [event for event in read_events(self.events.path) if event.event.kind == kind]

    def missing(self, client: int, folder: str = "") -> list[int]:
        """Sequence numbers of good operations whose bit is not set; `folder` is another master's."""
        bits = (self.directory / "audit" / folder / f"{client}.bits").read_bytes()
        good = [row.seq for row in self.play.of(client) if row.outcome == Outcome.OK]
        return [seq for seq in good if not bits[seq // 8] >> seq % 8 & 1]


@pytest.fixture
def audited(start: Start, tmp_path: Path) -> Audited:
    return Audited(tmp_path / "record", start())


async def test_every_key_is_found_and_then_removed(audited: Audited):
    await audited.run()
    said = await audited.audit()
    assert said["undecided"] == ""
    assert said["keys"] == said["present"] == len(audited.play.rows)
    assert said["run_id"] in audited.server.call("INFO", "server")
    assert audited.missing(0) == audited.missing(1) == []
    assert audited.server.call("DBSIZE") == 0


async def test_clients_that_were_started_twice_are_audited_whole(audited: Audited):
    """The second run's file sorts before the first's, so that a client's numbers do not come in their order."""
    audited.events = EventWriter(audited.directory / "events" / "audit.jsonl", "agent")
    await sanity(audited.members, audited.events)
    async with playing(audited.directory, new_and_kept(audited.server.address), audited.load) as audited.play:
        await seconds(0.3)
        await audited.play.crew.stop()
        audited.play.crew.start(audited.load.deadline_s)
        await seconds(0.3)
    said = await audited.audit()
    assert said["keys"] == said["present"] == len(audited.play.rows)
    assert len(list((audited.directory / "ops").glob("*.rows"))) == 2
    assert [audited.missing(client) for client in (0, 1)] == [[], []]


async def test_a_missing_key_is_a_missing_bit(audited: Audited):
    await audited.run()
    audited.server.call("DEL", "failover:t:0:0:3", "failover:t:0:1:9")
    said = await audited.audit()
    assert said["present"] == said["keys"] - 2
    assert audited.missing(0) == [3]
    assert audited.missing(1) == [9]


async def test_a_key_with_another_value_is_not_ours(audited: Audited):
    await audited.run()
    audited.server.call("SET", "failover:t:0:0:3", "short")
    await audited.audit()
    assert audited.missing(0) == [3]


async def test_other_keys_are_left_alone(audited: Audited):
    await audited.run()
    audited.server.call("SET", "theirs", "x")
    await audited.audit()
    assert audited.server.call("KEYS", "*") == ["theirs"]


async def test_evictions_leave_it_undecided(audited: Audited):
    await audited.run()
    audited.server.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    audited.server.call("CONFIG", "SET", "maxmemory", 1)
    audited.server.call("SET", "provoke", "x")
    audited.server.call("CONFIG", "SET", "maxmemory", 0)
    said = await audited.audit()
    assert "evicted" in said["undecided"]


async def test_keys_as_old_as_their_ttl_leave_it_undecided(audited: Audited):
    audited.load = load(ttl_s=1)
    await audited.run()
    await seconds(1.2)
    assert "TTL is 1 s" in (await audited.audit())["undecided"]


async def test_another_master_changes_nothing_where_one_counts(audited: Audited, start: Start):
    await audited.run()
    audited.members.append(start().member())
    said = await audited.audit()
    assert said["undecided"] == ""
    assert said["keys"] == said["present"]


async def test_where_nobody_can_say_which_master_counts_each_is_read(audited: Audited, start: Start):
    await audited.run()
    other = start()
    audited.members.append(other.member())
    audited.addresses.append(other.address)
    other.call("SET", "failover:t:0:0:3", "x" * audited.load.value_bytes)
    audited.server.call("DEL", "failover:t:0:0:5")
    said = await audited.audit()
    assert (said["undecided"], said["others"]) == ("", [other.address])
    count = len([row for row in audited.play.of(0) if row.outcome == Outcome.OK])
    assert audited.missing(0) == [5]
    assert audited.missing(0, other.address.replace(":", "-")) == [seq for seq in range(count) if seq != 3]
    assert other.call("DBSIZE") == 0, "what was read is removed there too"
    assert len(Recording.load(audited.directory).audits) == 2


async def test_one_that_is_asked_and_is_no_master_any_more_leaves_it_undecided(audited: Audited, start: Start):
    await audited.run()
    other = start()
    audited.members.append(other.member())
    other.call("REPLICAOF", "127.0.0.1", "1")
    audited.addresses.append(other.address)
    assert f"{other.address} does not say that it is master" in (await audited.audit())["undecided"]


async def test_a_replica_is_not_audited_and_keeps_its_keys(audited: Audited):
    await audited.run()
    audited.server.call("REPLICAOF", "127.0.0.1", "1")
    said = await audited.audit()
    assert "it is a slave" in said["undecided"]
    assert said["present"] == 0
    assert audited.server.call("DBSIZE") > 0


async def test_a_dead_master_leaves_it_undecided(audited: Audited):
    await audited.run()
    audited.server.kill()
    said = await audited.audit()
    assert "could not be read back" in said["undecided"]
    assert not list((audited.directory / "audit").iterdir())


async def test_sanity_says_what_each_redis_counts(audited: Audited):
    await audited.run()
    audited.server.kill()
    await audited.audit()
    before, after = audited.kinds("sanity")
    assert before.event.masters == [audited.server.address]
    assert (before.event.role, before.event.evicted_keys, before.event.error) == ("master", 0, "")
    assert (after.event.masters, after.event.evicted_keys) == ([], None)
    assert "refused" in after.event.error.lower()
