"""Export a trial's operations as Parquet, for SQL or pandas. Nothing in this project reads it."""

from enum import IntEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from chaos.model import ErrorCode, Outcome
from chaos.record.reader import ROW_TYPE, OpsFile, Recording


def export(directory: Path) -> Path:
    """Write `<trial>.parquet` beside the trial's directory, and return its path.

    Times are in µs. `due_us` counts from the first operation of the trial, `sent_us` and `done_us` from `due_us`.
    """
    path = directory.with_suffix(".parquet")
    table = operations(Recording.load(directory))
    encoding = dict.fromkeys(_DELTAS, "DELTA_BINARY_PACKED")
    pq.write_table(table, path, compression="zstd", use_dictionary=_NAMES, column_encoding=encoding)
    return path


def operations(recording: Recording) -> pa.Table:
    """Return every operation, sorted by client and by the order of sending."""
    firsts = (file.rows["intended_ns"].min() for file in recording.ops if len(file.rows))
    first_ns = min(firsts, default=0)
    none = OpsFile(header={}, rows=np.zeros(0, ROW_TYPE))
    parts = [_columns(file, first_ns) for file in recording.ops or (none,)]
    return pa.concat_tables(parts).sort_by([("client", "ascending"), ("seq", "ascending")])


def _columns(file: OpsFile, first_ns: int) -> pa.Table:
    rows, domain = file.rows, str(file.header.get("domain", ""))
    as_they_are = ("client", "connection", "seq", "sent_us", "done_us", "node", "target", "flags")
    columns = {name: rows[name] for name in as_they_are} | {
        "due_us": (rows["intended_ns"] - first_ns) // 1000,
        "outcome": _OUTCOMES[rows["outcome"]],
        "error": _ERRORS[rows["error"]],
        "domain": np.full(len(rows), domain),
    }
    return pa.table({name: pa.array(column) for name, column in columns.items()})


def _words(codes: type[IntEnum]) -> npt.NDArray[np.str_]:
    """Return the names of codes in lower case. The index is the code."""
    return np.array([code.name.lower() for code in sorted(codes)])


_OUTCOMES, _ERRORS = _words(Outcome), _words(ErrorCode)
_NAMES = ["outcome", "error", "domain"]
_DELTAS = ["client", "seq", "due_us", "sent_us", "done_us"]
