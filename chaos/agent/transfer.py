"""How a recording comes from the agent to its host: new bytes by offset, written in place. Transport-independent.

`Mirror` is the host's half and `chaos.agent.keeper` the other; whoever holds the stream carries one's request to the
other and its answer back. Both are pure but for the files, and every exchange may be repeated: a break loses nothing.
"""

import base64
from pathlib import Path, PurePosixPath
from typing import Any

from chaos.errors import RecordingError
from chaos.record.layout import AUDIT, EVENTS, MAGIC, OPS
from chaos.record.rows import settled

FOLDERS = (AUDIT, EVENTS, OPS)
"""Folders of a recording that are carried, in this order, and beside them the `*.log` files at its top."""
ROWS = ".rows"


def is_carried(path: str) -> bool:
    """Whether a relative path names a file that an agent may write into a trial's directory; keeps strangers out."""
    parts = PurePosixPath(path).parts
    if len(parts) == 1:
        return parts[0].endswith(".log")
    return len(parts) == 2 and parts[0] in FOLDERS and parts[1] != ".."


class Mirror:
    """A trial's directory as the copy of an agent's. `request`, carry, `accept`, until no more is to be had.

    An operation's row is written when it is sent and completed in place: rows that were still in flight are asked for
    again in the next round, until they are settled.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._settled: dict[str, int] = {}
        self._have: dict[str, int] = {}
        self.complete = False
        """Whether the last answer brought all that there was."""

    def request(self) -> dict[str, Any]:
        return {"do": "pull", "have": dict(self._have)}

    def accept(self, response: dict[str, Any]) -> int:
        """Write what came, and return how many bytes. Raises RecordingError for what no keeper of ours would send."""
        if "error" in response:
            raise RecordingError(f"the agent's files cannot be read: {response['error']}")
        written = sum(self._write(path, piece) for path, piece in response["files"].items())
        self.complete = not response["more"]
        if self.complete:
            self._have = dict(self._settled)
        return written

    def _write(self, path: str, piece: dict[str, Any]) -> int:
        offset, data = piece["offset"], base64.b64decode(piece["data"])
        self._check(path, offset, data)
        file = self._directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("r+b" if file.exists() else "w+b") as out:
            out.seek(offset)
            out.write(data)
        self._have[path] = offset + len(data)
        self._settle(path, offset, data)
        return len(data)

    def _check(self, path: str, offset: int, data: bytes) -> None:
        if not is_carried(path):
            raise RecordingError(f"the agent sent {path}, which is no part of a recording")
        expected = self._have.get(path, 0)
        if offset != expected:
            raise RecordingError(f"the agent's {path} shrank: {expected} bytes were copied, {offset} are left")
        if path.endswith(ROWS) and offset == 0 and data[: len(MAGIC)] != MAGIC:
            raise RecordingError(f"the agent's {path} does not begin as a file of operations does")

    def _settle(self, path: str, offset: int, data: bytes) -> None:
        """Move on how far this file need not be looked at again; an unsettled row holds it back for this round."""
        if not path.endswith(ROWS):
            self._settled[path] = offset + len(data)
        elif self._settled.get(path, 0) == offset:
            self._settled[path] = offset + settled(data)
