"""Watches one Redis: its role every 50 ms, who sets it every 0.5 s, and its settings every 5 s, on one connection.

This shows what ROLE says. Whether the service works is shown by clients.
"""

from typing import Any

from hiredis import ReplyError

from chaos.clock import mono_ns
from chaos.observe.watch import ObservedMember, Pace, PolledFact, SettingsLog
from chaos.record.events import ConfigSet, Role, RoleLost
from chaos.resp import Resp, info_fields

ROLE_S = 0.05
AGAIN_NS = 1_000_000_000
"""A role that did not change is written again after this time. So silence means that the observer is gone."""
SETTINGS_POLLS, SET_POLLS = 100, 10
"""Settings are read at every hundredth poll of the role, and how often they were set at every tenth."""
CONFIG_SET = "cmdstat_config|set"
"""Redis counts the parts of CONFIG apart from version 7 on; before that nothing tells a SET from our own GET."""


class RoleObserver:
    """Observes one Redis. `polled` goes with its name and outlives its pods, so that a change between two is seen."""

    def __init__(self, observed: ObservedMember, polled: PolledFact, settings: SettingsLog) -> None:
        self._observed = observed
        self._polled = polled
        self._settings = settings
        self._sent_ns = mono_ns()
        self._written_ns = 0
        self._set = PolledFact()

    async def observe(self) -> None:
        """Poll until the connection ends. A connection is to one process, so that the run id is asked for once."""
        self._sent_ns = mono_ns()
        async with self._observed.connect() as redis:
            run_id = await run_id_of(redis)
            pace, polls = Pace(ROLE_S), 0
            while True:
                await self._poll(redis, run_id)
                if polls % SET_POLLS == 0:
                    await self._witness(redis, run_id)
                if polls % SETTINGS_POLLS == 0:
                    await self._settings.read(redis)
                polls += 1
                await pace.beat()

    def lost(self, error: str) -> None:
        change = self._polled.failed(self._sent_ns)
        if change:
            member = self._observed.member
            event = RoleLost(member=member.name, address=member.ip_port, error=error)
            self._observed.events.write(event, since_ns=change.since_ns)

    async def _witness(self, redis: Resp, run_id: str) -> None:
        """Record how often somebody told it CONFIG SET, if that is news."""
        sent_ns = mono_ns()
        calls = sets_in(await redis.call("INFO", "commandstats"))
        change = self._set.shown((run_id, calls), sent_ns)
        if change:
            event = ConfigSet(member=self._observed.member.name, run_id=run_id, calls=calls)
            self._observed.events.write(event, since_ns=change.since_ns)

    async def _poll(self, redis: Resp, run_id: str) -> None:
        self._sent_ns = mono_ns()
        told = role_in(await redis.call("ROLE"))
        offset = told.pop("offset")
        change = self._polled.shown((run_id, told), self._sent_ns)
        if change or mono_ns() - self._written_ns >= AGAIN_NS:
            self._written_ns = mono_ns()
            member = self._observed.member
            event = Role(member=member.name, address=member.ip_port, run_id=run_id, offset=offset, **told)
            self._observed.events.write(event, since_ns=change.since_ns if change else None)


async def run_id_of(redis: Resp) -> str:
    """Return the run id, which tells a process from its successor. Raises ConnectionError if INFO is refused."""
    reply = await redis.call("INFO", "server")
    if isinstance(reply, ReplyError):
        raise ConnectionError(f"INFO: {reply}")
    return info_fields(reply)["run_id"]


def role_in(reply: Any) -> dict[str, Any]:  # noqa: ANN401  a reply is any of RESP's types
    """Read a reply to ROLE. A replica's `link` is `up` if it is connected to its master, or else ROLE's own word.

    ROLE says `sync` while the data of a full resynchronisation is transferred.
    """
    if isinstance(reply, ReplyError):
        raise ConnectionError(f"ROLE: {reply}")
    if reply[0] == "master":
        return {"role": "master", "master": None, "link": None, "syncing": False, "offset": reply[1]}
    _, host, port, state, offset = reply
    link = "up" if state == "connected" else state
    return {"role": "slave", "master": f"{host}:{port}", "link": link, "syncing": state == "sync", "offset": offset}


def sets_in(reply: object) -> int:
    """Read from INFO commandstats how often CONFIG SET was called; 0 if it never was, or if it is not counted."""
    counted = info_fields(reply).get(CONFIG_SET, "") if isinstance(reply, str) else ""
    return int(dict(pair.split("=", 1) for pair in counted.split(",") if "=" in pair).get("calls", 0))
