"""Writing, reading and following events/*.jsonl. Not for placing events on one clock: that is chaos.analysis.align."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chaos.clock import domain_event, mono_ns
from chaos.errors import RecordingError
from chaos.model import Event
from chaos.record.kept import kept

Listener = Callable[[Event], None]


class EventWriter:
    """One file of events. Each line is in the kernel before `put` returns. May be used from several threads.

    Raises RecordingError where a line cannot be written, and where the file is there already: a record is never
    written twice.
    """

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
        """Call `listener` with every event from now on, in the order of the file, in the thread of whoever writes."""
        self._listeners.append(listener)

    def write(
        self,
        kind: str,
        /,
        *,
        at_ns: int | None = None,
        since_ns: int | None = None,
        domain: str | None = None,
        **fields: Any,  # noqa: ANN401  the fields of each kind are docs/file-formats.md's
    ) -> None:
        """Write an event that happened now, or at `at_ns`, on this writer's clock or on that of `domain`."""
        stamp = mono_ns() if at_ns is None else at_ns
        self.put(Event(kind=kind, domain=domain or self.domain, at_ns=stamp, since_ns=since_ns, fields=fields))

    def put(self, event: Event) -> None:
        line = to_line(event)
        with self._lock:
            with kept(self.path):
                self._file.write(line)
            for listener in self._listeners:
                listener(event)

    def close(self) -> None:
        with self._lock, kept(self.path):
            self._file.close()


def to_line(event: Event) -> str:
    return json.dumps(to_fields(event), separators=(",", ":")) + "\n"


def to_fields(event: Event) -> dict[str, Any]:
    """What its line says."""
    stamps: dict[str, Any] = {"kind": event.kind, "domain": event.domain, "at_ns": event.at_ns}
    if event.since_ns is not None:
        stamps["since_ns"] = event.since_ns
    return stamps | event.fields


def from_line(line: str | bytes) -> Event:
    """Raises ValueError, KeyError or TypeError on anything but an event."""
    return from_fields(json.loads(line))


def from_fields(fields: dict[str, Any]) -> Event:
    """From what a line says; raises as `from_line` does."""
    kind, domain, at_ns = fields.pop("kind"), fields.pop("domain"), fields.pop("at_ns")
    return Event(kind=kind, domain=domain, at_ns=at_ns, since_ns=fields.pop("since_ns", None), fields=fields)


def read_events(path: Path) -> Iterator[Event]:
    """Every event of a file, in the order of writing. A last line that was cut off is left out.

    Raises RecordingError on any other line that is not an event.
    """
    lines = path.read_bytes().split(b"\n")
    last = len(lines)
    for number, line in enumerate(lines, 1):
        try:
            if line:
                yield from_line(line)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if number == last:
                return
            raise RecordingError(f"{path}:{number}: not an event: {line[:80]!r}") from error


class Tail:
    """Follows a file of events that somebody else appends to, or that is not there yet."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new(self) -> list[Event]:
        """What was appended since the last call; a line still being written is left for the next."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            file.seek(self._offset)
            whole = file.read().rpartition(b"\n")[0]
        if not whole:
            return []
        self._offset += len(whole) + 1
        return [self._parse(line) for line in whole.split(b"\n")]

    def _parse(self, line: bytes) -> Event:
        try:
            return from_line(line)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RecordingError(f"{self._path}: not an event: {line[:80]!r}") from error
