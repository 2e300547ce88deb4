"""The only polling loop: waits for a condition, with a limit and a reason, and says both when it gives up."""

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
    """Return the first truthy value of `condition`; raise `error` with the reason when `within_s` seconds are over.

    `because` names what is waited for; give a function where the sentence depends on what was seen last.
    The last look begins after the limit: a process that was stopped meanwhile has not looked for all that time.
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
