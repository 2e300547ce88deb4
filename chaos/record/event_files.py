"""Write, read and follow events/*.jsonl. chaos.analysis converts the events to one clock."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from chaos.clock import mono_ns
from chaos.errors import RecordingError
from chaos.record.events import Event, Stamped, domain_event, from_json, from_line, to_line, wrong_with
from chaos.record.layout import kept

Listener = Callable[[Stamped[Event]], None]


class EventWriter:
    """Writes one file of events. Each line is in the kernel before `put` returns. Several threads may use it.

    Raises RecordingError if a line cannot be written, or if the file exists. `every_s` is how often a new file is
    begun, or 0 if there is only one.
    """

    every_s = 0.0

    def __init__(self, path: Path, domain: str) -> None:
        self.path = path
        self.domain = domain
        self._lock = threading.RLock()
        self._listeners: list[Listener] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = path.open("x", buffering=1, encoding="ascii")
        except FileExistsError:
            raise RecordingError(f"{path} exists already; a record is written once") from None
        self.put(domain_event(domain))

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with every later event, in the order of the file, in the thread of the writer."""
        self._listeners.append(listener)

    def write(
        self, event: Event, *, at_ns: int | None = None, since_ns: int | None = None, domain: str | None = None
    ) -> None:
        """Write an event that happened now, or at `at_ns`, on this writer's clock, or on that of `domain`."""
        stamp = mono_ns() if at_ns is None else at_ns
        self.put(Stamped(event=event, domain=domain or self.domain, at_ns=stamp, since_ns=since_ns))

    def put(self, stamped: Stamped[Event]) -> None:
        """Write an event with its own time stamps."""
        line = to_line(stamped)
        with self._lock:
            with kept(self.path):
                self._file.write(line)
            for listener in self._listeners:
                listener(stamped)

    def close(self) -> None:
        with self._lock, kept(self.path):
            self._file.close()


class RollingEvents(EventWriter):
    """An EventWriter that begins a new file every `every_s` seconds: `agent.000000.jsonl`, `agent.000001.jsonl`, …"""

    def __init__(self, path: Path, domain: str, every_s: float) -> None:
        self._path = path
        self.every_s = every_s
        self._every_ns = round(every_s * 1e9)
        self._piece = 0
        self._until_ns = mono_ns() + self._every_ns
        super().__init__(self._numbered(), domain)

    def put(self, stamped: Stamped[Event]) -> None:
        with self._lock:
            if mono_ns() >= self._until_ns:
                self._piece += 1
                self._until_ns = mono_ns() + self._every_ns
                self._file.close()
                self.path = self._numbered()
                with kept(self.path):
                    self._file = self.path.open("x", buffering=1, encoding="ascii")
            super().put(stamped)

    def _numbered(self) -> Path:
        return self._path.with_suffix(f".{self._piece:06}{self._path.suffix}")


def read_events(path: Path) -> Iterator[Stamped[Event]]:
    """Yield every event of a file, in the order of writing. A last line that was cut off is left out.

    Raises RecordingError, with what was expected, for any other line that is not an event.
    """
    lines = path.read_bytes().split(b"\n")
    last = len(lines)
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        said = _json(line)
        why = wrong_with(said)
        if why and number == last:
            return
        if why:
            raise RecordingError(f"{path}:{number}: not an event ({why}): {line[:80].decode(errors='replace')!r}")
        yield from_json(said)


def _json(line: bytes) -> object:
    """Parse a line of JSON. If it is none, return the line itself."""
    try:
        return json.loads(line.decode())
    except (ValueError, RecursionError):
        return line


def read_line(line: bytes, path: Path) -> Stamped[Event]:
    """Return the event in a whole line. Raises RecordingError, which names the file, if the line is no event."""
    try:
        return from_line(line)
    except ValueError as error:
        raise RecordingError(f"{path}: not an event ({error}): {line[:80]!r}") from error


class Tail:
    """Follows a file of events that another process writes, and that need not exist yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> list[Stamped[Event]]:
        """Return the events since the last call. An unfinished line is left for the next call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole = file.read().rpartition(b"\n")[0]
        if not whole:
            return []
        self._offset += len(whole) + 1
        return [read_line(line, self._path) for line in whole.split(b"\n")]
