"""The only polling loop. It waits for a condition up to a limit, and its error says what it waited for."""

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
    """Return the first truthy value of `condition`. Raise `error` with the reason after `within_s` seconds.

    `because` says what is missing. It may be a function, if that depends on what was seen last. The condition is always
    checked once more after the limit, because a process that was stopped for a while could not check it in time.
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
