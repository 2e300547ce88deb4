"""Watches one Sentinel: which master it names, what it knows, and every event that it publishes.

A Sentinel publishes only its own events, so every Sentinel is watched.
"""

from typing import Any

from hiredis import ReplyError

from chaos.clock import mono_ns
from chaos.observe.watch import SENTINEL_SETTINGS, ObservedMember, Pace, PolledFact, SettingsLog, pairs
from chaos.record.events import Event, Gap, SentinelAddress, SentinelBack, SentinelLost, SentinelSaid, SentinelState
from chaos.resp import Resp

ADDRESS_S = 0.05
STATE_POLLS = 20
"""The state is read at every twentieth poll of the address."""


class SentinelObserver:
    """Polls one Sentinel about the master called `master`: its address every 50 ms, its state every second."""

    def __init__(self, observed: ObservedMember, master: str, settings: SettingsLog) -> None:
        self._observed = observed
        self._master = master
        self._settings = settings
        self._there = PolledFact()
        self._address = PolledFact()
        self._state = PolledFact()
        self._sent_ns = mono_ns()

    async def observe(self) -> None:
        self._sent_ns = mono_ns()
        async with self._observed.connect() as sentinel:
            pace, polls = Pace(ADDRESS_S), 0
            while True:
                await self._poll_address(sentinel)
                if polls % STATE_POLLS == 0:
                    await self._poll_state(sentinel)
                polls += 1
                await pace.beat()

    def lost(self, error: str) -> None:
        change = self._there.failed(self._sent_ns)
        if change:
            self._write(SentinelLost(sentinel=self._name, error=error), change.since_ns)

    async def _poll_address(self, sentinel: Resp) -> None:
        self._sent_ns = mono_ns()
        reply = await sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._master)
        if isinstance(reply, ReplyError):
            raise ConnectionError(f"SENTINEL GET-MASTER-ADDR-BY-NAME: {reply}")
        back = self._there.shown("there", self._sent_ns)
        if back and back.since_ns:
            self._write(SentinelBack(sentinel=self._name), back.since_ns)
        address = ":".join(reply) if reply else None
        change = self._address.shown(address, self._sent_ns)
        if change:
            self._write(SentinelAddress(sentinel=self._name, address=address), change.since_ns)

    async def _poll_state(self, sentinel: Resp) -> None:
        sent_ns = mono_ns()
        master = await sentinel.call("SENTINEL", "MASTER", self._master)
        replicas = await sentinel.call("SENTINEL", "REPLICAS", self._master)
        known = not isinstance(master, ReplyError) and not isinstance(replicas, ReplyError)
        state = state_in(pairs(master), [pairs(one) for one in replicas]) if known else NOT_MONITORED
        change = self._state.shown(state, sent_ns)
        if change:
            self._write(SentinelState(sentinel=self._name, **state), change.since_ns)
        if known:
            self._settings.shown({name: pairs(master)[name] for name in SENTINEL_SETTINGS}, sent_ns)

    @property
    def _name(self) -> str:
        return self._observed.member.name

    def _write(self, event: Event, since_ns: int | None) -> None:
        self._observed.events.write(event, since_ns=since_ns)


class PublishedObserver:
    """Writes every event that one Sentinel publishes, and a `gap` for each time without a connection.

    The connection is pinged as often as the address is polled. An event was therefore published between the last
    answered ping and the event's arrival, and a connection that has gone silent is noticed.
    """

    def __init__(self, observed: ObservedMember) -> None:
        self._observed = observed
        self._sentinel: Resp | None = None
        self._deaf_ns = 0

    async def observe(self) -> None:
        async with self._observed.connect() as sentinel:
            reply = await sentinel.psubscribe("*")
            if isinstance(reply, ReplyError):
                raise ConnectionError(f"PSUBSCRIBE: {reply}")
            self._sentinel = sentinel
            if self._deaf_ns:
                self._gap("listened to again")
            async for message in sentinel.messages(idle_s=ADDRESS_S):
                event = SentinelSaid(
                    sentinel=self._observed.member.name, channel=message.channel, payload=message.payload
                )
                self._observed.events.write(event, at_ns=message.at_ns, since_ns=sentinel.quiet_ns)

    def lost(self, error: str) -> None:
        if self._sentinel:
            self._deaf_ns, self._sentinel = self._sentinel.quiet_ns, None
            self._gap(error)

    def _gap(self, text: str) -> None:
        """Write the gap so far: once when it is noticed, and again, with its whole length, when it is over."""
        source = f"sentinel.event/{self._observed.member.name}"
        self._observed.events.write(Gap(source=source, text=text), since_ns=self._deaf_ns)


NOT_MONITORED: dict[str, Any] = {
    "flags": "not-monitored",
    "num_slaves": 0,
    "num_other_sentinels": 0,
    "quorum": 0,
    "address": None,
    "replicas": [],
}
"""The state of a Sentinel that knows no master of this name, as between an operator's SENTINEL REMOVE and MONITOR."""


def state_in(master: dict[str, str], replicas: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "flags": master["flags"],
        "num_slaves": int(master["num-slaves"]),
        "num_other_sentinels": int(master["num-other-sentinels"]),
        "quorum": int(master["quorum"]),
        "address": f"{master['ip']}:{master['port']}",
        "replicas": sorted(map(replica_in, replicas), key=lambda replica: replica["address"]),
    }


def replica_in(replica: dict[str, str]) -> dict[str, str]:
    return {
        "address": f"{replica['ip']}:{replica['port']}",
        "flags": replica["flags"],
        "master": f"{replica['master-host']}:{replica['master-port']}",
    }
