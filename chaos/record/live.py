"""The operations of a running trial, which the baseline and the wait for recovery need.

They only steer the trial. Every figure of a report is computed later by chaos.analysis, from the closed files. Only the
standard library is used, because workers do not load numpy. All time stamps are on the agent's clock.
"""

from array import array
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.model import ErrorCode, Outcome
from chaos.record.layout import OPS, ROW, Row
from chaos.record.ops_files import HEADER_LIMIT_BYTES, parse_header, settled, unpack_rows

FRESH_NS = 3_000_000_000
"""A client without a good operation for this long is not good now. The files arrive every second."""


@dataclass(slots=True)
class LiveClient:
    """The operations of one client so far.

    `good_ns` and `bad_ns` are the due times of its completed operations, ascending.

    `answered_ns` are the answer times of the good ones. An application's call may be answered long after it was due.
    """

    number: int
    path: str
    good_ns: "array[int]" = field(default_factory=lambda: array("q"))
    answered_ns: "array[int]" = field(default_factory=lambda: array("q"))
    bad_ns: "array[int]" = field(default_factory=lambda: array("q"))
    errors: "array[int]" = field(default_factory=lambda: array("B"))

    def add(self, row: Row) -> None:
        if row.outcome == Outcome.OK:
            self.good_ns.append(row.intended_ns)
            self.answered_ns.append(row.intended_ns + row.done_us * 1000)
        else:
            self.bad_ns.append(row.intended_ns)
            self.errors.append(row.error)

    def ok(self, since_ns: int = 0) -> int:
        """Return how many operations that were due at or after `since_ns` were good."""
        return len(self.good_ns) - bisect_left(self.good_ns, since_ns)

    def bad(self, since_ns: int = 0) -> int:
        """Return how many operations that were due at or after `since_ns` were bad."""
        return len(self.bad_ns) - bisect_left(self.bad_ns, since_ns)

    def errors_since(self, since_ns: int) -> Counter[ErrorCode]:
        """Count the errors of operations due at or after `since_ns`. A missed operation counts as not sent."""
        return Counter(ErrorCode(code) for code in self.errors[bisect_left(self.bad_ns, since_ns) :])

    def first_bad_ns(self, since_ns: int) -> int | None:
        """Return when the first bad operation at or after `since_ns` was due, or None."""
        at = bisect_left(self.bad_ns, since_ns)
        return self.bad_ns[at] if at < len(self.bad_ns) else None

    def last_bad_ns(self) -> int | None:
        return self.bad_ns[-1] if self.bad_ns else None

    def recovered(self, since_ns: int, stable_ns: int, now_ns: int) -> bool:
        """Return whether the client is good now, and no operation since `since_ns` has been bad for `stable_ns`.

        Time counts only up to the last recorded good operation, so that a late recording is not taken for a stable
        system.
        """
        if not self.answered_ns or now_ns - self.answered_ns[-1] > FRESH_NS:
            return False
        return self.answered_ns[-1] - max(since_ns, self.last_bad_ns() or 0) >= stable_ns


class LiveOps:
    """Follows ops/*.rows of a trial. A row is read once it and all rows before it in its file are complete."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / OPS
        self._files: dict[Path, _Growing] = {}
        self.clients: dict[int, LiveClient] = {}
        self.left_out: frozenset[int] = frozenset()
        """Clients that were stopped because the load was too heavy. They belong to no path."""

    def poll(self) -> None:
        """Read the new rows. Raises RecordingError if a file is not one of operations."""
        for path in sorted(self._directory.glob("*.rows")):
            for row, client in self._files.setdefault(path, _Growing(path)).new():
                if row.client not in self.clients:
                    self.clients[row.client] = LiveClient(row.client, f"{client['path']}/{client['connection']}")
                self.clients[row.client].add(row)

    def paths(self) -> dict[str, list[LiveClient]]:
        """Return the clients of each path, such as service/new. Clients without a completed operation are left out."""
        paths: dict[str, list[LiveClient]] = {}
        for client in (one for number, one in self.clients.items() if number not in self.left_out):
            paths.setdefault(client.path, []).append(client)
        return paths

    def recovered(self, since_ns: int, stable_ns: int, now_ns: int) -> dict[str, bool]:
        """Return for each path whether all its clients have recovered (see `LiveClient.recovered`)."""
        return {
            name: all(client.recovered(since_ns, stable_ns, now_ns) for client in clients)
            for name, clients in self.paths().items()
        }


class _Growing:
    """One growing file, whose rows are completed in place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._clients: dict[int, dict[str, Any]] = {}

    def new(self) -> list[tuple[Row, dict[str, Any]]]:
        with self._path.open("rb") as file:
            if not self._offset and not self._read_header(file.read(HEADER_LIMIT_BYTES)):
                return []
            file.seek(self._offset)
            data = file.read()
        decided = data[: settled(data)]
        self._offset += len(decided)
        return [(row, self._clients[row.client]) for row in unpack_rows(decided)]

    def _read_header(self, start: bytes) -> bool:
        """Read the header. Return whether it was complete."""
        if len(start) < ROW.size:
            return False
        header, self._offset = parse_header(start, str(self._path))
        self._clients = {entry["number"]: entry for entry in header["clients"]}
        return True
