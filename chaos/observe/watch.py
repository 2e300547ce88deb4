"""What every observer shares: a steady pace, changes with their intervals, settings, and a supervisor.

An observer is a function that ends when its connection ends. `supervised` starts it again, until cancelled. Passwords
are neither asked for nor among the settings that are written.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Never

from hiredis import ReplyError

from chaos.access import PLAIN, Access
from chaos.clock import mono_ns
from chaos.model import Member
from chaos.record.event_files import EventWriter
from chaos.record.events import SettingsRead
from chaos.resp import Resp
from chaos.timers import next_multiple

REPLY_S = 1.0
"""The longest wait for a connection or a reply, in seconds, as from an address that drops packets."""
RETRY_NS = 100_000_000
"""The least time between two attempts to connect."""
SENTINEL_SETTINGS = ("down-after-milliseconds", "failover-timeout", "parallel-syncs", "quorum")
"""The settings of a Sentinel that are written, from its reply to SENTINEL MASTER."""
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
"""The settings of a Redis that are written. They are asked for one by one, because CONFIG GET accepts several names
only from Redis 7.0 on, and `*` would bring passwords."""


@dataclass(frozen=True, slots=True)
class ObservedMember:
    """A member that is observed, and the file to which its events are written."""

    member: Member
    events: EventWriter
    access: Access = PLAIN

    def connect(self) -> AbstractAsyncContextManager[Resp]:
        return Resp.connect(self.member.address, self.member.port, REPLY_S, self.access)


class Pace:
    """Beats at the multiples of a period.

    They are the same in the whole process, so that one wake-up serves many observers. A beat that was missed is left
    out, so that a late poll is not followed by a burst.
    """

    def __init__(self, period_s: float) -> None:
        self._period_ns = int(period_s * 1e9)
        self._due_ns = next_multiple(self._period_ns, mono_ns()) - self._period_ns

    async def beat(self) -> None:
        now = mono_ns()
        self._due_ns += self._period_ns * max(1, -((self._due_ns - now) // self._period_ns))
        await asyncio.sleep((self._due_ns - now) / 1e9)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a polled value. The value before was last seen at `since_ns`, which is None if there was none."""

    since_ns: int | None


class PolledFact:
    """A value that is polled. It turns the results of polls into changes, each with its interval.

    Every stamp that is passed in is when a poll's request was *sent*, because what the answer shows may be true from
    then on. A poll that fails shows nothing. If the value differs after failed polls, the change reaches back to the
    last poll that showed the old value.
    """

    def __init__(self) -> None:
        self._value: object = self
        self._shown_ns: int | None = None
        self._failed_ns: int | None = None

    @property
    def lost(self) -> bool:
        return self._failed_ns is not None

    def shown(self, value: object, sent_ns: int) -> Change | None:
        """Take an answer to a poll. Return a change if the value differs or if the poll before failed, else None."""
        differs = value != self._value
        change = Change(self._shown_ns if differs else self._failed_ns) if differs or self.lost else None
        self._value, self._shown_ns, self._failed_ns = value, sent_ns, None
        return change

    def failed(self, sent_ns: int) -> Change | None:
        """Take a failed poll. Return a change if the poll before did not fail, else None."""
        change = None if self.lost else Change(self._shown_ns)
        self._failed_ns = sent_ns
        return change


async def supervised(observe: Callable[[], Awaitable[None]], lost: Callable[[str], None]) -> Never:
    """Run an observer until cancelled. When it fails, tell `lost` why, and start it again.

    An observer that has run for RETRY_NS is started again at once. Sentinel closes the connections of a Redis that it
    promotes, and that is just when we want to watch the Redis.
    """
    while True:
        again_ns = mono_ns() + RETRY_NS
        try:
            await observe()
        except Exception as error:  # noqa: BLE001 - the observers' supervisor: whatever broke becomes an event
            lost(described(error))
        await asyncio.sleep(max(0, again_ns - mono_ns()) / 1e9)


def described(error: Exception) -> str:
    """Return an error in one line, in the words of the kernel or of Redis where there are any."""
    if isinstance(error, TimeoutError):
        return f"no answer within {REPLY_S:g} s"
    return str(error) or type(error).__name__


def pairs(reply: list[str]) -> dict[str, Any]:
    """Turn a flat reply of names and values, as CONFIG GET and SENTINEL MASTER give it, into a dictionary."""
    return dict(zip(reply[::2], reply[1::2], strict=True))


class SettingsLog:
    """Writes a member's settings when each of its pods is first seen, and whenever they change."""

    def __init__(self, observed: ObservedMember, polled: PolledFact, declared: Iterable[Sequence[str]] = ()) -> None:
        """`declared` holds, for each setting of the scenario, the names that it may have, today's name first."""
        self._observed = observed
        self._polled = polled
        self._asked = [*((name,) for name in REDIS_SETTINGS), *declared]

    async def read(self, redis: Resp) -> None:
        """Read the settings of a Redis and write them. A refusal is written as an `error`.

        A name that the Redis does not know is left out.
        """
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
                    break  # a server that knows today's name has the same value under the old one
        self.shown(settings, sent_ns)

    def shown(self, settings: dict[str, str], sent_ns: int, error: str | None = None) -> None:
        member = self._observed.member
        change = self._polled.shown((member.uid, settings, error), sent_ns)
        if change:
            event = SettingsRead(member=member.name, component=member.kind.value, settings=settings, error=error)
            self._observed.events.write(event, since_ns=change.since_ns)
