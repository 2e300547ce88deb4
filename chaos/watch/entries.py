"""Keeps the last seconds of a watch in memory, and writes each outage and each failover as a trial's directory.

The agent records into files that are read here and removed, so that hours in which nothing happens leave a line a
minute. Trouble is a bad operation that no stall of ours explains, or an event of a Sentinel about the master. From the
first trouble on everything is written, with the seconds before it, until `stable_s` passed without trouble. The
analysis of what was written decides whether it was an outage.
"""

import json
import struct
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chaos.client.spec import ClientSpec
from chaos.clock import mono_ns, reading
from chaos.experiment.observed import LATE
from chaos.model import WORKS_SHARE, ErrorCode, Outcome
from chaos.record.event_files import Tail
from chaos.record.events import (
    ClientsStarted,
    ClockDomain,
    ConnectionClosed,
    ConnectionOpened,
    DiscoveryAnswered,
    Event,
    Hiccups,
    MembersKnown,
    NodeSeen,
    Resolved,
    Role,
    RoleLost,
    Sanity,
    SentinelAddress,
    SentinelBack,
    SentinelLost,
    SentinelState,
    SettingsRead,
    Stamped,
    TargetAsked,
    to_line,
)
from chaos.record.layout import EVENTS, OPS, ROW, Row, kept
from chaos.record.ops_files import parse_header, settled, unpack_rows

READ_BYTES = 1 << 16
ROW_BEGINS = struct.Struct("<HHI")
"""The beginning of every row: client, connection and number of an operation."""
MINUTE_NS = 60_000_000_000
GOOD = "good"


class Transport:
    """Reads what the agent has recorded since the last call, and removes each file once it is complete. A file of
    events is complete when there is a later one, and a file of rows when there are two later ones.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._tails: dict[Path, Tail] = {}
        self._at: dict[Path, int] = {}
        self.header = b""
        """The header of the last file of rows, in bytes."""

    def events(self) -> Iterator[Stamped[Event]]:
        files = sorted((self._directory / EVENTS).glob("*.jsonl"))
        for path in files:
            yield from self._tails.setdefault(path, Tail(path)).new()
            if path != files[-1]:
                path.unlink()
                del self._tails[path]

    def rows(self, *, to_the_end: bool = False) -> Iterator[tuple[bytes, Row]]:
        """Yield each row whose outcome is known, in bytes and as a row; `to_the_end` also the rows without one."""
        files = sorted((self._directory / OPS).glob("*.rows"), key=_age)
        for path in files:
            is_whole = path in files[:-2] or to_the_end
            at = self._at.get(path, 0)
            with path.open("rb") as file:
                if not at:
                    _, at = parse_header(file.read(READ_BYTES), str(path))
                    file.seek(0)
                    self.header = file.read(at)
                file.seek(at)
                while data := file.read(READ_BYTES):
                    usable = len(data) - len(data) % ROW.size if is_whole else settled(data)
                    for number, row in enumerate(unpack_rows(data[:usable])):
                        yield data[number * ROW.size : (number + 1) * ROW.size], row
                    at += usable
                    if usable < READ_BYTES:
                        break
            self._at[path] = at
            if is_whole:
                path.unlink()
                del self._at[path]


def _age(path: Path) -> tuple[int, str]:
    """Return a key that sorts files in the order of writing.

    `meters.000001.rows` comes before `meters-1.000000.rows`, which is of a later start of the clients.
    """
    run = path.name.partition(".")[0].partition("-")[2]
    return int(run or 0), path.name


# The last seconds.

KEYS: dict[type[Event], tuple[str, ...]] = {
    ClockDomain: ("domain",),
    MembersKnown: ("members",),
    ClientsStarted: ("clients",),
    TargetAsked: ("target", "index"),
    NodeSeen: ("node", "index"),
    Resolved: ("name", "name"),
    Role: ("role", "member"),
    RoleLost: ("role", "member"),
    SentinelAddress: ("named", "sentinel"),
    SentinelState: ("state", "sentinel"),
    SentinelLost: ("there", "sentinel"),
    SentinelBack: ("there", "sentinel"),
    SettingsRead: ("settings", "member"),
    Sanity: ("sanity", "member"),
    DiscoveryAnswered: ("told", "client"),
    ConnectionOpened: ("connection", "client"),
    ConnectionClosed: ("connection", "client"),
}
"""The events that describe a lasting state: what each one is about, and the field that names whom it is about."""


def about_whom(stamped: Stamped[Event]) -> tuple[object, ...]:
    """Return what lasting state an event describes, and of whom, or an empty tuple for any other event."""
    about, *fields = KEYS.get(type(stamped.event), ("",))
    whom = [getattr(stamped.event, field) for field in fields] or [stamped.domain]
    return (about, *whom) if about else ()


class Recent:
    """The rows and events of the last `keep_ns`, and the states that earlier events described and that still last."""

    def __init__(self, keep_ns: int) -> None:
        self._keep_ns = keep_ns
        self._rows: deque[tuple[int, bytes]] = deque()
        self._events: deque[Stamped[Event]] = deque()
        self._still: dict[tuple[object, ...], Stamped[Event]] = {}
        self.gone: dict[int, int] = {}
        """Maps each client to its first operation that is still kept. The keys of earlier operations can be removed."""

    def take_row(self, row: Row, data: bytes) -> None:
        self._rows.append((row.intended_ns, data))

    def take_event(self, stamped: Stamped[Event]) -> None:
        self._events.append(stamped)

    def forget(self, now_ns: int) -> None:
        """Drop rows and events that are older than `keep_ns`, and keep the states that still last."""
        before_ns = now_ns - self._keep_ns
        while self._rows and self._rows[0][0] < before_ns:
            client, _, seq = ROW_BEGINS.unpack_from(self._rows.popleft()[1])
            self.gone[client] = seq + 1
        while self._events and self._events[0].at_ns < before_ns:
            stamped = self._events.popleft()
            if about := about_whom(stamped):
                self._still[about] = stamped

    def clear(self) -> None:
        """Drop all operations, because the clients were started anew."""
        for _, data in self._rows:
            client, _, seq = ROW_BEGINS.unpack_from(data)
            self.gone[client] = seq + 1
        self._rows.clear()

    def rows(self, since_ns: int) -> Iterator[bytes]:
        return (data for intended_ns, data in self._rows if intended_ns >= since_ns)

    def events(self, since_ns: int) -> Iterator[Stamped[Event]]:
        """Yield the states that lasted at `since_ns`, as events with that stamp, and then every later event."""
        still = dict(self._still)
        later: list[Stamped[Event]] = []
        for stamped in self._events:
            if stamped.at_ns >= since_ns:
                later.append(stamped)
            elif about := about_whom(stamped):
                still[about] = stamped
        for stamped in still.values():
            event = stamped.event
            if isinstance(event, ClockDomain):  # its clocks are those of this machine, and are read now
                clock = reading()
                event = replace(event, mono_ns=clock["mono_ns"], wall_ns=clock["wall_ns"])
            yield Stamped(event=event, domain=stamped.domain, at_ns=since_ns)
        yield from later

    def state(self, kind: type[Event]) -> list[Event]:
        """Return the last event of a kind about each member, name or client."""
        last: dict[object, Event] = {}
        for stamped in [*self._still.values(), *self._events]:
            if isinstance(stamped.event, kind):
                last[tuple(getattr(stamped.event, field) for field in KEYS[kind][1:])] = stamped.event
        return list(last.values())

    def settings(self) -> dict[str, dict[str, Any]]:
        """Return the effective settings, as settings.json has them."""
        found: dict[str, dict[str, Any]] = {"sentinel": {}, "redis": {}}
        for read in self.state(SettingsRead):
            assert isinstance(read, SettingsRead)
            found[read.component][read.member] = read.settings
        return found


# One entry.


@dataclass(slots=True)
class Entry:
    """A trial's directory while it is written. Everything goes straight to the disk, so that it may last for hours."""

    directory: Path
    number: int
    since_ns: int
    waits: bool = False
    """Whether the entry was opened for the user's command and clients have felt nothing so far."""
    of_command: bool = False
    _files: dict[str, Any] = field(default_factory=dict)

    def begin(self, recent: Recent, header: bytes) -> None:
        """Write the seconds before the entry, from `since_ns` on."""
        (self.directory / EVENTS).mkdir(parents=True)
        (self.directory / OPS).mkdir()
        with kept(self.directory):
            self._files[OPS] = (self.directory / OPS / "meters.rows").open("wb")
            self._files[OPS].write(header)
        for data in recent.rows(self.since_ns):
            self.take_row(data)
        for stamped in recent.events(self.since_ns):
            self.take_event(stamped)

    def take_row(self, data: bytes) -> None:
        with kept(self.directory):
            self._files[OPS].write(data)

    def take_event(self, stamped: Stamped[Event]) -> None:
        path = self.directory / EVENTS / f"{stamped.domain}.jsonl"
        with kept(path):
            if stamped.domain not in self._files:
                self._files[stamped.domain] = path.open("w", encoding="ascii")
            self._files[stamped.domain].write(to_line(stamped))

    def flush(self) -> None:
        for file in self._files.values():
            with kept(self.directory):
                file.flush()

    def close(self) -> None:
        for file in self._files.values():
            with kept(self.directory):
                file.close()


# Minutes.


class Minutes:
    """Writes a line of JSON for each minute, and returns it in words. Nothing else is kept of a calm minute."""

    def __init__(self, path: Path, clients: list[ClientSpec]) -> None:
        self._path = path
        self._names = {spec.number: f"{spec.path}/{spec.connection}" for spec in clients}
        self.operations = self.late = 0
        self.fared: dict[str, Counter[str]] = {name: Counter() for name in self._names.values()}
        """Counts the operations of each path by how they fared: `good`, or their error."""
        self._begin()

    def _begin(self) -> None:
        self.begun_ns = mono_ns()
        self._good = dict.fromkeys(self._names.values(), 0)
        self._all = dict.fromkeys(self._names.values(), 0)
        self._worst_us = 0
        self._lag_ns = 0

    def take_row(self, row: Row, deadline_ns: int) -> None:
        name, good = self._names[row.client], row.outcome == Outcome.OK and row.done_us * 1000 <= deadline_ns
        self._all[name] += 1
        self._good[name] += good
        self.operations += 1
        self.fared[name][GOOD if good else ErrorCode(row.error).words if row.error else "late"] += 1
        if good:
            self._worst_us = max(self._worst_us, row.done_us)
        elif row.outcome == Outcome.OK or row.error in LATE:
            self.late += 1

    def unreliable(self) -> Iterator[tuple[str, str]]:
        """Yield each path that does not work, with a text that says how its operations fared."""
        for name, fared in self.fared.items():
            met = ", ".join(f"{count} {what}" for what, count in fared.most_common() if what != GOOD)
            if not fared[GOOD]:
                yield name, f"never worked: {met or 'nothing was sent'}"
            elif fared[GOOD] < WORKS_SHARE * fared.total():
                yield name, f"is unreliable: {fared[GOOD]} of {fared.total()} operations were good, others: {met}"

    def take_event(self, event: Event) -> None:
        if isinstance(event, Hiccups):
            self._lag_ns = max(self._lag_ns, event.worst_ns)

    def close(self, at: str, master: str) -> str:
        """Write the minute, and return it in words."""
        line = {
            "at": at,
            "seconds": round((mono_ns() - self.begun_ns) / 1e9, 1),
            "good": self._good,
            "all": self._all,
            "worst_ms": round(self._worst_us / 1000, 1),
            "lag_ms": round(self._lag_ns / 1e6, 1),
            "master": master,
        }
        with kept(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
        good, of = sum(self._good.values()), sum(self._all.values())
        worst = self._worst_us / 1000
        self._begin()
        return f"{good:,} of {of:,} good, slowest {worst:.0f} ms".replace(",", " ") + (
            f" · master {master}" if master else ""
        )
