"""What every observer shares: a steady pace, facts with their intervals, and a supervisor that never gives up.

An observer is a finite function that ends with its connection; the infinite part is `supervised` and nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Never

from chaos.clock import mono_ns
from chaos.model import Member
from chaos.record.event_files import EventWriter
from chaos.resp import Resp
from chaos.timers import next_multiple

REPLY_S = 1.0
"""Longest wait for a connection or a reply, so that a black hole does not hold an observer for longer."""
RETRY_NS = 100_000_000
"""Least time between two attempts to connect."""


@dataclass(frozen=True, slots=True)
class Source:
    """One member as it is observed: where it is, and where what it shows is written."""

    member: Member
    events: EventWriter
    password: str | None = None

    def connect(self) -> AbstractAsyncContextManager[Resp]:
        return Resp.connect(self.member.address, self.member.port, REPLY_S, self.password)


class Pace:
    """Multiples of a period, the same for all of a process: one wake-up serves all who have it.

    A beat that is missed is left out and not made up for: a late poll is no burst.
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
    """A fact that is news. `since_ns` is when it was last seen not to hold; None at first sight: nobody had looked."""

    since_ns: int | None


class PolledFact:
    """What polls show of one thing, turned into changes with intervals.

    Every stamp given is when a poll's request was *sent*: whatever it shows may have been so from then on. A poll that
    fails shows nothing; a value that differs after an outage reaches back to the last poll that showed the old one.
    """

    def __init__(self) -> None:
        self._value: object = self
        self._shown_ns: int | None = None
        self._failed_ns: int | None = None

    @property
    def lost(self) -> bool:
        return self._failed_ns is not None

    def shown(self, value: object, sent_ns: int) -> Change | None:
        """A poll was answered. News: another value, or the first answer after a failure."""
        differs = value != self._value
        change = Change(self._shown_ns if differs else self._failed_ns) if differs or self.lost else None
        self._value, self._shown_ns, self._failed_ns = value, sent_ns, None
        return change

    def failed(self, sent_ns: int) -> Change | None:
        """A poll failed. News only where the last one did not."""
        change = None if self.lost else Change(self._shown_ns)
        self._failed_ns = sent_ns
        return change


async def supervised(observe: Callable[[], Awaitable[None]], lost: Callable[[str], None]) -> Never:
    """Run an observer for ever: what ends it is told to `lost`, as an event, and it begins again.

    At once where it had lasted: Sentinel closes the clients of a Redis that it promotes, which is no reason to look
    away from it.
    """
    while True:
        again_ns = mono_ns() + RETRY_NS
        try:
            await observe()
        except Exception as error:  # noqa: BLE001 - the observers' supervisor: whatever broke becomes an event
            lost(described(error))
        await asyncio.sleep(max(0, again_ns - mono_ns()) / 1e9)


def described(error: Exception) -> str:
    """One line for an event: the kernel's or Redis's words where there are any."""
    if isinstance(error, TimeoutError):
        return f"no answer within {REPLY_S:g} s"
    return str(error) or type(error).__name__


def pairs(reply: list[str]) -> dict[str, Any]:
    """A flat reply of names and values, as CONFIG GET and SENTINEL MASTER give it."""
    return dict(zip(reply[::2], reply[1::2], strict=True))
