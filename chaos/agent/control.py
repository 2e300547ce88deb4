"""What the host tells a running agent: files in `control/`, each noticed within 100 ms."""

import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, NamedTuple

from chaos.agent.spec import AUDIT, MEMBERS, QUIT, START, STOP

LOOK_S = 0.05
FILES = (MEMBERS, START, STOP, AUDIT, QUIT)
"""In the order in which they are acted on where several are new at once."""


class Command(NamedTuple):
    """`file` is one of FILES, `data` what it holds."""

    file: str
    data: Any


class Control:
    """Files are replaced whole, so that each replacement is another inode or another time; either makes it news.

    A host that is not sure may write a command again: to act on it twice must do no harm.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._seen: dict[str, tuple[int, int]] = {}

    def new(self) -> list[Command]:
        """Raises ValueError where a file is no JSON."""
        return [
            Command(file, json.loads((self._directory / file).read_text())) for file in FILES if self._is_news(file)
        ]

    async def commands(self) -> AsyncGenerator[Command, None]:
        while True:
            for command in self.new():
                yield command
            await asyncio.sleep(LOOK_S)

    def _is_news(self, file: str) -> bool:
        path = self._directory / file
        if not path.exists():
            return False
        status = path.stat()
        identity = status.st_ino, status.st_mtime_ns
        seen = self._seen.get(file)
        self._seen[file] = identity
        return identity != seen
