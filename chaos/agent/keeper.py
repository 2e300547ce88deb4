"""Serves the files of a recording: `python -m chaos.agent.keeper RECORD_DIR`, JSON lines on stdin, answers on stdout.

It runs beside the agent on the same directory and shares nothing else with it, so that the record can still be had
when the agent is dead, and a broken stream costs the agent nothing. It ends at the end of its input.
"""

import argparse
import base64
import json
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from chaos import clock
from chaos.agent.transfer import FOLDERS, ROWS
from chaos.record.layout import ROW

PIECE_BYTES = 1 << 20
"""Most data of one answer: small enough for one message of an exec stream, large enough to catch up quickly."""
CONTROL = "control"

Answer = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m chaos.agent.keeper", description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path, metavar="RECORD_DIR")
    parser.add_argument(
        "--idle", action="store_true", help="serve nothing and wait for SIGTERM: holds a container open"
    )
    options = parser.parse_args()
    if options.idle:
        idle()
        return
    serve(options.directory, sys.stdin.buffer, sys.stdout.buffer)


def idle() -> None:
    """Wait for SIGTERM. Blocked first: to a container's first process the kernel delivers no signal by default."""
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    signal.sigwait(ends)


def serve(directory: Path, requests: Iterable[bytes], answers: BinaryIO) -> None:
    """One answer for one request, in order, each with the `id` of its request."""
    for line in requests:
        answers.write(json.dumps(answer(directory, line), separators=(",", ":")).encode() + b"\n")
        answers.flush()


def answer(directory: Path, line: bytes) -> Answer:
    """What a request deserves. A request that is wrong in itself is answered with an error, and the next one served."""
    try:
        request = json.loads(line)
    except ValueError as error:
        return {"id": None, "error": f"not JSON: {error}"}
    if not isinstance(request, dict):
        return {"id": None, "error": "a request is an object"}
    number = request.get("id")
    handler = HANDLERS.get(str(request.get("do")))
    if handler is None:
        return {"id": number, "error": f"unknown request {request.get('do')!r}; known: {', '.join(HANDLERS)}"}
    try:
        return {"id": number, **handler(directory, request)}
    except (OSError, KeyError, ValueError) as error:
        return {"id": number, "error": f"{type(error).__name__}: {error}"}


def pull(directory: Path, request: Answer) -> Answer:
    """What is new since the offsets in `have`, at most PIECE_BYTES of it; `more` asks to be asked again at once."""
    have: dict[str, int] = request["have"]
    files: dict[str, Answer] = {}
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
    """Relative paths of the files that a host mirrors; the large ones come last."""
    patterns = ("*.log", *(f"{folder}/*" for folder in FOLDERS))
    for pattern in patterns:
        for file in sorted(directory.glob(pattern)):
            if file.is_file():
                yield file.relative_to(directory).as_posix()


def read(file: Path, offset: int, limit: int) -> tuple[int, bytes]:
    """The bytes from `offset` on. Of a file that is shorter than that, its size and nothing, for the host to judge."""
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
    """Rows without the space at their end that no operation has used yet: a file of rows grows in chunks."""
    used = len(rows.rstrip(b"\0"))
    return rows[: -(-used // ROW.size) * ROW.size]


def put(directory: Path, request: Answer) -> Answer:
    """Write a control file so that the agent sees all of it or nothing."""
    folder, _, name = request["path"].partition("/")
    if folder != CONTROL or not name or "/" in name or name.startswith("."):
        raise ValueError(f"{request['path']} is no control file")
    (directory / CONTROL).mkdir(exist_ok=True)
    draft = directory / CONTROL / f".{name}"
    draft.write_text(request["data"])
    draft.replace(directory / CONTROL / name)
    return {"path": request["path"]}


def read_clock(_directory: Path, _request: Answer) -> Answer:
    return {**clock.identity(), **clock.reading()}


HANDLERS: dict[str, Callable[[Path, Answer], Answer]] = {"pull": pull, "put": put, "clock": read_clock}


if __name__ == "__main__":
    main()
