"""Talk to a program in a pod by JSON lines. One exec stays open for a whole trial.

Requests are sent one after the other. If the stream breaks, the caller opens another one, because only the caller knows
whether a request may be repeated.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, Protocol, TypeVar

import websocket
from kubernetes.stream.ws_client import ERROR_CHANNEL, STDOUT_CHANNEL, WSClient, get_websocket_url

from chaos.clock import identity, mono_ns
from chaos.cluster.kube.api import Api
from chaos.errors import SetupError
from chaos.record.events import ClockDomain, ClockOffset, Event, Stamped, offset_event

Answer = dict[str, Any]
T = TypeVar("T")
SOCKET_S = 10.0
"""How long one read or write of the socket may take. The library's default has no limit."""
CLOSE_S = 0.5
CLOCK_ROUNDS = 8


class _Socket(Protocol):
    """What is used here of kubernetes' WSClient, with its types, because WSClient has none. Timeouts are in seconds."""

    sock: websocket.WebSocket

    def write_stdin(self, data: bytes) -> None: ...

    def readline_stdout(self, timeout: float) -> bytes: ...

    def read_stderr(self) -> bytes: ...

    def read_channel(self, channel: int) -> bytes: ...

    def is_open(self) -> bool: ...

    def close(self, *, timeout: float) -> None: ...


_dial: Callable[..., _Socket] = WSClient
_websocket_url: Callable[[str], str] = get_websocket_url


class StreamBroken(SetupError):
    """The stream broke or an answer was late. The stream is closed. The request may or may not have arrived."""


@dataclass(frozen=True, slots=True)
class PodProgram:
    """A command to run in a container of a pod."""

    namespace: str
    pod: str
    container: str
    command: Sequence[str]


class LineStream:
    """One exec stream. Its blocking calls run in a thread of its own, one after the other."""

    def __init__(self, api: Api, program: PodProgram) -> None:
        self._api = api
        self._program = program
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"exec-{program.pod}")
        self._numbers = count(1)
        self._socket: _Socket | None = None
        self._last: list[bytes] = []
        """Lines that the program wrote just before it ended and that are not read yet."""

    @property
    def broken(self) -> bool:
        """Whether the stream is closed: it was not opened yet, or it broke."""
        return self._socket is None

    async def open(self) -> None:
        await self._run(self._open)

    async def ask(self, request: dict[str, Any], within_s: float) -> Answer:
        """Return the answer to one request. Raises StreamBroken if none came within `within_s`.

        An error that the program reports is an answer. If the caller is cancelled the stream stays usable: the late
        answer is dropped when the next request is sent.
        """
        return await self._run(partial(self._ask, request, within_s))

    async def close(self) -> None:
        await self._run(self._close)
        self._thread.shutdown(wait=False)

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _open(self) -> None:
        websocket.setdefaulttimeout(SOCKET_S)
        client = self._api.client
        flags = [("container", self._program.container), ("stdin", "true"), ("stdout", "true"), ("stderr", "true")]
        _, url, headers, *_ = client.param_serialize(
            "GET",
            f"/api/v1/namespaces/{self._program.namespace}/pods/{self._program.pod}/exec",
            query_params=[*flags, *(("command", word) for word in self._program.command)],
            auth_settings=["BearerToken"],
        )
        try:
            self._socket = _dial(client.configuration, _websocket_url(url), headers, False, binary=True)
        except (websocket.WebSocketException, OSError) as error:
            raise StreamBroken(f"cannot run {self._spoken()}: {_first_line(error)}") from error

    def _ask(self, request: dict[str, Any], within_s: float) -> Answer:
        if self._socket is None:
            raise StreamBroken(f"{self._spoken()} is not open")
        number = next(self._numbers)
        limit_s = time.monotonic() + within_s
        try:
            self._socket.write_stdin(json.dumps({**request, "id": number}).encode() + b"\n")
            while True:
                answer = self._line(self._socket, limit_s)
                if answer.get("id") == number:
                    return answer
        except (websocket.WebSocketException, OSError, ValueError) as error:
            self._close()
            raise StreamBroken(f"{self._spoken()} broke off: {_first_line(error)}") from error

    def _line(self, socket: _Socket, limit_s: float) -> Answer:
        """Return the next answer. Raises TimeoutError, or ConnectionError with the last words of the program."""
        line = socket.readline_stdout(timeout=max(0.0, limit_s - time.monotonic()))
        if not line and not socket.is_open():
            # If a program ends right after its answer, the library does not return that line from the closed stream.
            self._last += socket.read_channel(STDOUT_CHANNEL).rpartition(b"\n")[0].splitlines()
            line = self._last.pop(0) if self._last else b""
        if line:
            answer: Answer = json.loads(line)
            return answer
        if socket.is_open():
            raise TimeoutError("no answer in time")
        raise ConnectionError(_last_words(socket.read_stderr(), socket.read_channel(ERROR_CHANNEL)))

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close(timeout=CLOSE_S)
            self._socket.sock.shutdown()  # type: ignore[no-untyped-call]  # else it stays open if the pod closes first
            self._socket = None
            self._last.clear()

    def _spoken(self) -> str:
        return f"{' '.join(self._program.command)} in pod {self._program.pod}"


async def asked_once(api: Api, program: PodProgram, request: dict[str, Any], within_s: float) -> Answer:
    """Run the program for one request, and return its answer. Raises StreamBroken."""
    stream = LineStream(api, program)
    try:
        await stream.open()
        return await stream.ask(request, within_s)
    finally:
        await stream.close()


async def clock_offset(stream: LineStream, domain: str, within_s: float = 2.0) -> list[Stamped[Event]]:
    """Compare the program's clock with the host's. Return an event on the clock, and one on its offset. The offset is
    the most precise one of a few round trips. If both programs share one clock, the first event says so.
    """
    best: Stamped[ClockOffset] | None = None
    for _ in range(CLOCK_ROUNDS):
        sent_ns = mono_ns()
        theirs = await stream.ask({"do": "clock"}, within_s)
        event = offset_event(domain, sent_ns, theirs["mono_ns"], mono_ns())
        if best is None or event.event.error_ns < best.event.error_ns:
            best = event
    assert best is not None
    known = ClockDomain(**{key: theirs[key] for key in (*identity(), "mono_ns", "wall_ns")})
    return [Stamped(event=known, domain=domain, at_ns=theirs["mono_ns"]), best]


def _last_words(stderr: bytes, status: bytes) -> str:
    """Return the last line that the program wrote to standard error, or else the kubelet's message on its end."""
    said = stderr.decode(errors="replace").strip().splitlines()
    if said:
        return said[-1]
    return str(json.loads(status).get("message", "it ended")) if status else "it ended"


def _first_line(error: Exception) -> str:
    """Return the first line of an error. After a refused handshake, the whole response follows it."""
    return str(error).partition(" -+-+- ")[0].partition("\n")[0] or type(error).__name__
