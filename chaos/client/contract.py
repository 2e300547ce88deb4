"""The client's half of docs/client-contract.md, for clients in Python: JSON lines on standard input and output.

`chaos.client.application` has the harness's half. A client in another language needs only that page.
"""

import asyncio
import json
import os
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any

from chaos.client.outcome import of_errno, of_reply, of_tls
from chaos.linux import die_with_parent
from chaos.model import ErrorCode

Line = dict[str, Any]


class Says:
    """Writes a line to the harness. The client's own processes may write lines to `fd`, too."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __call__(self, line: Line) -> None:
        os.write(self.fd, json.dumps(line).encode() + b"\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Connect:
    """What the first request tells a client.

    `address` is the address of a Service, or of Sentinel if `via_sentinel`. `master` is Sentinel's name for the master.
    Every key that this client is asked to write begins with `prefix`, and no other client's key does.
    """

    address: str
    via_sentinel: bool
    master: str
    database: int
    prefix: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """What a client answers to the first request: what it is, how long it waits, how it retries, and how it writes.

    `settings` maps the library's own names to time-outs and retries; None means no time-out. `write` takes a key, a
    value and the milliseconds that the key shall live. Its result is awaited if it is awaitable. `close` is called when
    no more requests come.
    """

    library: str
    version: str
    write: Callable[[str, str, int], object]
    settings: Mapping[str, str | None] = field(default_factory=dict)
    close: Callable[[], None] = lambda: None


Make = Callable[[Connect, Says], Ready | Awaitable[Ready]]
"""Prepares a client. It may write lines at any time, for example when a connection was opened."""


def run(make: Make) -> None:
    """Answer requests until standard input ends."""
    die_with_parent()
    asyncio.run(_serve(make))


async def _serve(make: Make) -> None:
    tell = Says(os.dup(1))
    os.dup2(2, 1)  # a stray print would be taken for an answer
    requests = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(requests), sys.stdin)
    first = json.loads(await requests.readline())
    made = make(Connect(**{name: first[name] for name in Connect.__slots__}), tell)
    ready = await made if isawaitable(made) else made
    tell({"library": ready.library, "version": ready.version, "settings": dict(ready.settings)})
    while line := await requests.readline():
        tell(await _answer(ready, json.loads(line)))
    ready.close()


async def _answer(ready: Ready, request: Line) -> Line:
    """Call the library and return the answer. Whatever the library raises is what an application would have met."""
    try:
        written = ready.write(request["key"], request["value"], request["ttl_ms"])
        if isawaitable(written):
            await written
    except Exception as error:  # noqa: BLE001  it is the answer
        return {"error": type(error).__name__, "code": code_of(error).words}
    return {"ok": True}


CLASSES = {
    "ReadOnlyError": ErrorCode.READONLY,
    "BusyLoadingError": ErrorCode.LOADING,
    "MasterDownError": ErrorCode.MASTERDOWN,
    "AuthenticationError": ErrorCode.AUTH,
    "NoPermissionError": ErrorCode.AUTH,
    "OutOfMemoryError": ErrorCode.OOM,
    "ClosingError": ErrorCode.CLOSED,
}
"""Maps the error classes of redis-py, valkey-py and GLIDE that say what happened to the code for it."""


def code_of(error: BaseException) -> ErrorCode:
    """Return why the last attempt of a call failed, by the error's classes, which libraries name alike.

    The outcome of a failed call is unknown whatever its code, because an attempt that the library made before the last
    one may have been applied.
    """
    names = [kind.__name__ for kind in type(error).__mro__]
    text = str(error)
    if "MasterNotFoundError" in names:  # Sentinel's error follows a colon; without one, none knew the name
        return ErrorCode.DISCOVERY_FAILED if " : " in text else ErrorCode.NO_MASTER
    for name in names:
        if name in CLASSES:
            return CLASSES[name]
    if isinstance(error, OSError) and error.errno:
        return _code_of_cause(error)
    if "TimeoutError" in names:
        return ErrorCode.CONNECT_TIMEOUT if "connect" in text else ErrorCode.REPLY_TIMEOUT
    if "ResponseError" in names:
        return of_reply(text).error
    if "RequestError" in names:  # GLIDE's, as in "An error was signalled by the server: - ReadOnly: You can't write …"
        return of_reply(text.rpartition("- ")[2].partition(":")[0].upper()).error
    return _code_of_cause(error)


def _code_of_cause(error: BaseException) -> ErrorCode:
    cause = error if isinstance(error, OSError) else error.__cause__ or error.__context__
    if isinstance(cause, socket.gaierror):
        return ErrorCode.NAME_NOT_FOUND
    if isinstance(cause, ssl.SSLError):
        return of_tls(cause)
    if isinstance(cause, OSError) and cause.errno:
        return of_errno(cause.errno)
    if cause is not None and cause is not error:
        return code_of(cause)
    return ErrorCode.CLOSED if "closed" in str(error).lower() else ErrorCode.OTHER
