"""The operator's way to call a Redis or a Sentinel: a connection for each call, and patience with who does not answer.

As go-redis v8 does it with nothing set (options.go): 5 s to connect, 3 s for a reply, and three more attempts where
either took too long or failed. So a black hole costs 20 s and a process that hangs 12 s, for every call.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from hiredis import ReplyError

from chaos.cluster.local.controller.board import Address
from chaos.cluster.local.controller.steps import Failed
from chaos.resp import Resp

RETRIED = ("LOADING ", "READONLY ", "CLUSTERDOWN ", "TRYAGAIN ")
"""How replies begin that are asked for again (go-redis v8, error.go)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """`backoff_s` doubles with each attempt."""

    dial_s: float = 5.0
    read_s: float = 3.0
    attempts: int = 4
    backoff_s: float = 0.008


class Caller:
    def __init__(self, patience: Patience) -> None:
        self._patience = patience

    async def call(self, address: Address, words: tuple[str | int, ...]) -> Any:  # noqa: ANN401  any of RESP's types
        """The reply. Raises Failed with what the last attempt met, an error reply too."""
        met = ""
        for attempt in range(self._patience.attempts):
            if attempt:
                await asyncio.sleep(self._patience.backoff_s * 2**attempt)
            try:
                reply = await self._attempt(address, words)
            except OSError as error:
                met = f"{address[0]}:{address[1]}: {_in_words(error)}"
                continue
            if not isinstance(reply, ReplyError):
                return reply
            met = str(reply)
            if not met.startswith(RETRIED):
                break
        raise Failed(met)

    async def _attempt(self, address: Address, words: tuple[str | int, ...]) -> Any:  # noqa: ANN401
        async with Resp.connect(*address, self._patience.dial_s) as connection:
            async with asyncio.timeout(self._patience.read_s):
                return await connection.call(*words)


def _in_words(error: OSError) -> str:
    return "i/o timeout" if isinstance(error, TimeoutError) else error.strerror or str(error)
