"""The only polling loop. It waits for a condition up to a limit, and says what it waited for when it gives up."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from chaos.clock import mono_ns
from chaos.errors import HarnessError, SetupError

T = TypeVar("T")


async def until(
    condition: Callable[[], Awaitable[T | None]],
    *,
    within_s: float,
    because: str | Callable[[], str],
    every_s: float = 0.1,
    error: type[HarnessError] = SetupError,
) -> T:
    """Return the first truthy value of `condition`. Raise `error` with the reason when `within_s` seconds are over.

    `because` says what is lacking. It may be a function, for a sentence that depends on what was seen last. The last
    look begins after the limit, because a process that was stopped for a while could not look in that time.
    """
    limit_ns = mono_ns() + int(within_s * 1e9)
    while True:
        begun_ns = mono_ns()
        value = await condition()
        if value:
            return value
        if begun_ns >= limit_ns:
            reason = because if isinstance(because, str) else because()
            raise error(f"gave up after {within_s:g} s: {reason}")
        await asyncio.sleep(every_s)
