"""The operations of a trial as numpy columns, on the trial's time axis. There may be millions of them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from chaos.analysis.clocks import Clocks
from chaos.model import Outcome
from chaos.record.reader import Bits, OpsFile, Recording, Rows

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Operations:
    """Columns of equal length, ordered by client and then by sending.

    `due_s`, `sent_s` and `done_s` are seconds from t = 0. `sent_s` of an operation that was never sent is when it was
    due. An operation is `good` if it was ok within the deadline. It is `kept` if the audit found its key on any master.
    It is `lost` if it was acknowledged and its key is missing on any master that was read, and `lost_everywhere` if the
    key is missing on every one. `unaudited` operations were not looked for. Operations of clients that do not write the
    keys they are given are neither lost nor unaudited.
    """

    client: Ints
    seq: Ints
    due_s: Floats
    sent_s: Floats
    done_s: Floats
    outcome: npt.NDArray[np.uint8]
    error: npt.NDArray[np.uint8]
    node: npt.NDArray[np.uint8]
    target: npt.NDArray[np.uint8]
    good: Bools
    lost: Bools
    lost_everywhere: Bools
    kept: Bools
    unaudited: Bools
    clock_error_s: float
    unplaced: int

    @classmethod
    def load(
        cls, recording: Recording, clocks: Clocks, t0_ns: int, deadline_s: float, keyless: tuple[int, ...] = ()
    ) -> Self:
        """Return all operations of a recording.

        `keyless` are the clients that do not write the keys they are given.
        """
        files = [(file, _shift(file, clocks)) for file in recording.ops]
        placed = [(file.rows, shift) for file, shift in files if shift is not None]
        rows = np.concatenate([rows for rows, _ in placed]) if placed else np.zeros(0, dtype=_EMPTY)
        shift_ns = np.concatenate([np.full(len(rows), s[0]) for rows, s in placed]) if placed else np.zeros(0, np.int64)
        order = np.argsort((rows["client"].astype(np.int64) << 32) | rows["seq"], kind="stable")
        rows, shift_ns = rows[order], shift_ns[order]
        due_s = (rows["intended_ns"] + shift_ns - t0_ns) / 1e9
        read = [_audited(rows, bits) for bits in recording.audits or ({},)]
        kept, kept_everywhere = (how([kept for kept, _ in read], axis=0) for how in (np.any, np.all))
        keyless_rows = np.isin(rows["client"], keyless)
        unaudited = np.all([unread for _, unread in read], axis=0) & ~keyless_rows
        ok = rows["outcome"] == Outcome.OK
        return cls(
            client=rows["client"].astype(np.int64),
            seq=rows["seq"].astype(np.int64),
            due_s=due_s,
            sent_s=due_s + rows["sent_us"] / 1e6,
            done_s=due_s + rows["done_us"] / 1e6,
            outcome=np.where(rows["outcome"] == Outcome.IN_FLIGHT, Outcome.UNKNOWN, rows["outcome"]).astype(np.uint8),
            error=rows["error"].copy(),
            node=rows["node"].copy(),
            target=rows["target"].copy(),
            good=ok & (rows["done_us"] <= deadline_s * 1e6),
            lost=ok & ~kept_everywhere & ~unaudited & ~keyless_rows,
            lost_everywhere=ok & ~kept & ~unaudited & ~keyless_rows,
            kept=kept,
            unaudited=unaudited,
            clock_error_s=max((s[1] for _, s in placed), default=0) / 1e9,
            unplaced=sum(len(file.rows) for file, shift in files if shift is None),
        )

    def __len__(self) -> int:
        return len(self.client)

    @property
    def end_s(self) -> float:
        """When the last operation was due."""
        return float(self.due_s.max()) if len(self) else 0.0

    def of(self, client: int) -> slice:
        """Return the slice that holds the rows of a client."""
        first, last = np.searchsorted(self.client, [client, client + 1])
        return slice(int(first), int(last))


def _shift(file: OpsFile, clocks: Clocks) -> tuple[int, int] | None:
    """Return what to add to a file's stamps to have the host's clock, and the error of that, in nanoseconds.

    It is measured in the middle of the file. Return None if the file's clock cannot be placed.
    """
    domain = str(file.header.get("domain", ""))
    middle = int(file.rows["intended_ns"][len(file.rows) // 2]) if len(file.rows) else 0
    placed = clocks.place(domain, middle) if clocks.are_of(domain, file.header) else None
    if placed is None:
        return None
    return (placed[0] + placed[1]) // 2 - middle, (placed[1] - placed[0] + 1) // 2


def _audited(rows: Rows, audit: dict[int, Bits]) -> tuple[Bools, Bools]:
    """Return which keys one master had at the audit, and which keys were not looked for there."""
    kept, unaudited = np.zeros(len(rows), bool), np.ones(len(rows), bool)
    for client, bits in audit.items():
        first, last = np.searchsorted(rows["client"], [client, client + 1])
        seq = rows["seq"][first:last]
        known = seq < len(bits)
        kept[first:last][known] = bits[seq[known]]
        unaudited[first:last] = ~known
    return kept, unaudited


_EMPTY = np.dtype(
    [(name, "<i8") for name in ("client", "seq", "intended_ns")]
    + [(name, "<u4") for name in ("sent_us", "done_us")]
    + [(name, "u1") for name in ("outcome", "error", "node", "target")]
)
