"""Copy a recording from the agent to its host while it grows. The host asks for new bytes by their offset in each file.

`python -m chaos.agent.keeper RECORD_DIR` serves the agent's files: it reads requests as JSON lines from standard input
and writes answers to standard output until its input ends. The keeper is a process of its own, so the record can be
fetched after the agent has died, and a broken stream does not disturb the agent. `Mirror` is the host's side. Every
request may be repeated, so nothing is lost when the stream breaks.

Requests (`do`):

pull   have: {path: offset} → files: {path: {offset, data}}, more
put    path, data → path; writes a control file
clock  → boot_id, timens, mono_ns, wall_ns
"""

import argparse
import asyncio
import base64
import signal
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from chaos import clock
from chaos.errors import RecordingError
from chaos.linux import write_whole
from chaos.pipe import Handler, Line, answered
from chaos.record.layout import AUDIT, EVENTS, MAGIC, OPS, ROW
from chaos.record.ops_files import settled

PIECE_BYTES = 1 << 20
"""The most data in one answer. It fits into one message of an exec stream."""
CONTROL = "control"
FOLDERS = (AUDIT, EVENTS, OPS)
"""The folders of a recording that are copied, in this order. The `*.log` files beside them are copied too.

If several masters were audited, the audit's folder has a subfolder for each further one."""
ROWS = ".rows"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m chaos.agent.keeper", description="Serves a recording's files.")
    parser.add_argument("directory", type=Path, metavar="RECORD_DIR")
    parser.add_argument("--idle", action="store_true", help="serve nothing until SIGTERM: keeps a container open")
    options = parser.parse_args()
    if options.idle:
        idle()
        return
    asyncio.run(serve(options.directory, sys.stdin.buffer, sys.stdout.buffer))


def idle() -> None:
    """Wait for SIGTERM or SIGINT. They are blocked first, because the kernel drops them for a container's process 1."""
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    signal.sigwait(ends)


async def serve(directory: Path, requests: Iterable[bytes], answers: BinaryIO) -> None:
    """Answer each request, in order."""
    does = handlers(directory)
    for line in requests:
        answers.write(await answered(does, line))
        answers.flush()


def handlers(directory: Path) -> dict[str, Handler]:
    return {
        "pull": partial(pull, directory),
        "put": partial(put, directory),
        "clock": lambda _: {**clock.identity(), **clock.reading()},
    }


def pull(directory: Path, request: Line) -> Line:
    """Return the bytes beyond the offsets in `have`, at most PIECE_BYTES. `more` says whether more is to fetch."""
    have: dict[str, int] = request["have"]
    files: dict[str, Line] = {}
    room = PIECE_BYTES
    for path in carried(directory):
        offset = have.get(path, 0)
        start, data = read(directory / path, offset, room)
        if data or start != offset:
            files[path] = {"offset": start, "data": base64.b64encode(data).decode()}
        room -= len(data)
        if room < ROW.size:
            break
    return {"files": files, "more": room < ROW.size}


def carried(directory: Path) -> Iterator[str]:
    """Yield the relative paths of the files that are copied to the host. The large files come last."""
    patterns = ("*.log", f"{AUDIT}/*/*", *(f"{folder}/*" for folder in FOLDERS))
    for pattern in patterns:
        for file in sorted(directory.glob(pattern)):
            if file.is_file():
                yield file.relative_to(directory).as_posix()


def read(file: Path, offset: int, limit: int) -> tuple[int, bytes]:
    """Return `offset` and the bytes from there on, or the file's size and no bytes if the file is shorter."""
    size = file.stat().st_size
    if size < offset:
        return size, b""
    if file.suffix == ROWS:
        limit -= limit % ROW.size
    with file.open("rb") as source:
        source.seek(offset)
        data = source.read(limit)
    return offset, trimmed(data) if file.suffix == ROWS else data


def trimmed(rows: bytes) -> bytes:
    """Cut off the unused rows at the end. A file of operations grows in chunks, so its last rows may be empty."""
    used = len(rows.rstrip(b"\0"))
    return rows[: -(-used // ROW.size) * ROW.size]


def put(directory: Path, request: Line) -> Line:
    """Write a control file in one step, so that the agent sees all of it or nothing."""
    folder, _, name = request["path"].partition("/")
    if folder != CONTROL or not name or "/" in name or name.startswith("."):
        raise ValueError(f"{request['path']} is no control file")
    (directory / CONTROL).mkdir(exist_ok=True)
    write_whole(directory / CONTROL / name, request["data"])
    return {"path": request["path"]}


def is_carried(path: str) -> bool:
    """Return whether a path is a file of a recording. The agent may write no other into a trial's directory."""
    parts = PurePosixPath(path).parts
    if len(parts) == 1:
        return parts[0].endswith(".log")
    depths = (2, 3) if parts[0] == AUDIT else (2,)
    return len(parts) in depths and parts[0] in FOLDERS and ".." not in parts


class Mirror:
    """Keeps a trial's directory a copy of the agent's.

    Send each `request` to the keeper, and pass its answer to `accept`. The row of an operation is written when the
    operation is sent, and completed in place when it ends. Rows of unfinished operations are therefore fetched again
    until they are complete.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._settled: dict[str, int] = {}
        self._have: dict[str, int] = {}
        self.complete = False
        """Whether the last answer left nothing to fetch."""

    def request(self) -> Line:
        return {"do": "pull", "have": dict(self._have)}

    def accept(self, response: Line) -> int:
        """Write the bytes of an answer and return how many they are. Raises RecordingError if the answer is an error,
        or if its files are no part of a recording.
        """
        if "error" in response:
            raise RecordingError(f"the agent's files cannot be read: {response['error']}")
        written = sum(self._write(path, piece) for path, piece in response["files"].items())
        self.complete = not response["more"]
        if self.complete:
            self._have = dict(self._settled)
        return written

    def _write(self, path: str, piece: Line) -> int:
        offset, data = piece["offset"], base64.b64decode(piece["data"])
        self._check(path, offset, data)
        file = self._directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("r+b" if file.exists() else "w+b") as out:
            out.seek(offset)
            out.write(data)
        self._have[path] = offset + len(data)
        if not path.endswith(ROWS):  # from where on this file is to be fetched again
            self._settled[path] = offset + len(data)
        elif self._settled.get(path, 0) == offset:
            self._settled[path] = offset + settled(data)
        return len(data)

    def _check(self, path: str, offset: int, data: bytes) -> None:
        if not is_carried(path):
            raise RecordingError(f"the agent sent {path}, which is no part of a recording")
        expected = self._have.get(path, 0)
        if offset != expected:
            raise RecordingError(f"the agent's {path} shrank: {expected} bytes were copied, {offset} are left")
        if path.endswith(ROWS) and offset == 0 and data[: len(MAGIC)] != MAGIC:
            raise RecordingError(f"the agent's {path} does not begin as a file of operations does")


if __name__ == "__main__":
    main()
