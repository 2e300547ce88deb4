"""Watches one Redis on one connection: its role every 50 ms, its CONFIG SETs every 0.5 s, its settings every 5 s.

This shows what ROLE says. The clients show whether the service works.
"""

from typing import Any

from hiredis import ReplyError

from chaos.clock import mono_ns
from chaos.observe.watch import ObservedMember, Pace, PolledFact, SettingsLog
from chaos.record.events import ConfigSet, Role, RoleLost
from chaos.resp import Resp, info_fields

ROLE_S = 0.05
AGAIN_NS = 1_000_000_000
"""A role that did not change is written again after this time, so that silence means that the observer is gone."""
SETTINGS_POLLS, SET_POLLS = 100, 10
"""Settings are read at every hundredth poll of the role, and the count of CONFIG SET at every tenth."""
CONFIG_SET = "cmdstat_config|set"
"""The name of the statistics of CONFIG SET. Before Redis 7, CONFIG SET is not counted apart from our own CONFIG GET."""


class RoleObserver:
    """Observes one Redis. `polled` belongs to its name and outlives its pods, so that a change between pods is seen."""

    def __init__(self, observed: ObservedMember, polled: PolledFact, settings: SettingsLog) -> None:
        self._observed = observed
        self._polled = polled
        self._settings = settings
        self._sent_ns = mono_ns()
        self._written_ns = 0
        self._set = PolledFact()

    async def observe(self) -> None:
        """Poll until the connection ends. It leads to one process, so the run id is asked for only once."""
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
        """Write how often CONFIG SET was called, if the number changed."""
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
    """Return the run id of a Redis, which changes with its process. Raises ConnectionError if INFO is refused."""
    reply = await redis.call("INFO", "server")
    if isinstance(reply, ReplyError):
        raise ConnectionError(f"INFO: {reply}")
    return info_fields(reply)["run_id"]


def role_in(reply: Any) -> dict[str, Any]:  # noqa: ANN401  a reply is any of RESP's types
    """Read a reply to ROLE. `link` of a replica is `up` if it is connected to its master, or else ROLE's own word.

    ROLE says `sync` while the data of a full resynchronisation is transferred. Raises ConnectionError for an error
    reply.
    """
    if isinstance(reply, ReplyError):
        raise ConnectionError(f"ROLE: {reply}")
    if reply[0] == "master":
        return {"role": "master", "master": None, "link": None, "syncing": False, "offset": reply[1]}
    _, host, port, state, offset = reply
    link = "up" if state == "connected" else state
    return {"role": "slave", "master": f"{host}:{port}", "link": link, "syncing": state == "sync", "offset": offset}


def sets_in(reply: object) -> int:
    """Return from INFO commandstats how often CONFIG SET was called, or 0 if it never was or is not counted."""
    counted = info_fields(reply).get(CONFIG_SET, "") if isinstance(reply, str) else ""
    return int(dict(pair.split("=", 1) for pair in counted.split(",") if "=" in pair).get("calls", 0))
