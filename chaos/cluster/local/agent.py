"""The agent as its host sees it: a process that records straight into the trial's directory, told by files there."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from chaos.agent.spec import QUIT
from chaos.clock import AGENT
from chaos.errors import SetupError

END_S = 15.0
"""How long it may take to end once it was told to."""


class LocalAgent:
    """Keeps `chaos.cluster.base.Agent`. `kill` ends it without its leave; `ended` is called once it has ended."""

    domain = AGENT

    def __init__(self, directory: Path, kill: Callable[[], Awaitable[object]]) -> None:
        self._directory = directory
        self._kill = kill
        self._over = asyncio.Event()
        self._how = ""

    def ended(self, how: str) -> None:
        self._how = how
        self._over.set()

    async def put(self, path: str, text: str) -> None:
        file = self._directory / path
        file.parent.mkdir(exist_ok=True)
        draft = file.with_name(f".{file.name}.new")
        draft.write_text(text)
        draft.replace(file)

    async def pull(self) -> None:
        """Nothing has to be brought; but it has to be there."""
        if self._over.is_set():
            raise SetupError(f"the agent ended by itself: {self._how}")

    async def close(self) -> None:
        """Let it end, else end it. What it was told by does not stay in the record."""
        try:
            await self.put(QUIT, "{}")
            async with asyncio.timeout(END_S):
                await self._over.wait()
        except TimeoutError:
            await self._kill()
            raise SetupError(f"the agent did not end within {END_S:g} s after it was told to, and was killed") from None
        finally:
            shutil.rmtree(self._directory / Path(QUIT).parent)
