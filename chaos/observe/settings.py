"""Which settings are written, of a Redis and of a Sentinel. No password is ever among them, nor asked for."""

from collections.abc import Iterable, Sequence

from hiredis import ReplyError

from chaos.clock import mono_ns
from chaos.observe.watch import PolledFact, Source, pairs
from chaos.record.events import SettingsRead
from chaos.resp import Resp

SENTINEL_SETTINGS = ("down-after-milliseconds", "failover-timeout", "parallel-syncs", "quorum")
"""Of the reply of SENTINEL MASTER."""

REDIS_SETTINGS = (
    "maxmemory",
    "maxmemory-policy",
    "appendonly",
    "appendfsync",
    "save",
    "min-replicas-to-write",
    "min-replicas-max-lag",
    "repl-timeout",
    "repl-ping-replica-period",
    "repl-backlog-size",
    "repl-diskless-sync",
    "repl-diskless-sync-delay",
    "replica-serve-stale-data",
    "replica-read-only",
    "replica-priority",
    "tcp-keepalive",
    "timeout",
    "client-output-buffer-limit",
    "shutdown-timeout",
)
"""Asked one by one: CONFIG GET takes several names from Redis 7.0 on only, and `*` would bring passwords."""


class SettingsLog:
    """Writes a member's settings at first sight of each of its pods, and whenever they changed."""

    def __init__(self, source: Source, fact: PolledFact, declared: Iterable[Sequence[str]] = ()) -> None:
        """`declared` are the names that each setting of the scenario may have, the most recent first."""
        self._source = source
        self._fact = fact
        self._asked = [*((name,) for name in REDIS_SETTINGS), *declared]

    async def read(self, redis: Resp) -> None:
        """Ask a Redis. A name that it does not know is left out; a refusal is written in place of the settings."""
        sent_ns = mono_ns()
        settings: dict[str, str] = {}
        for names in self._asked:
            for name in names:
                reply = await redis.call("CONFIG", "GET", name)
                if isinstance(reply, ReplyError):
                    self.shown({}, sent_ns, error=str(reply))
                    return
                settings |= pairs(reply)
                if reply:
                    break  # a server that knows today's name says the same under the old one
        self.shown(settings, sent_ns)

    def shown(self, settings: dict[str, str], sent_ns: int, error: str | None = None) -> None:
        member = self._source.member
        change = self._fact.shown((member.uid, settings, error), sent_ns)
        if change:
            event = SettingsRead(member=member.name, component=member.kind.value, settings=settings, error=error)
            self._source.events.write(event, since_ns=change.since_ns)
