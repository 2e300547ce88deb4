"""A trial's operations as Parquet, for whoever asks them with SQL or pandas. Small; not read by anything of ours."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from chaos.model import ErrorCode, Outcome
from chaos.record.reader import Recording


def export(directory: Path) -> Path:
    """Write `<trial>.parquet` beside the trial's directory, which holds only what is raw, and return its path.

    Times are µs: `due_us` since the first operation of the trial, `sent_us` and `done_us` since due.
    """
    frame = Recording.load(directory).frame()
    first_ns = int(frame["intended_ns"].min()) if len(frame) else 0
    frame["due_us"] = (frame.pop("intended_ns").astype("int64") - first_ns) // 1000
    frame["outcome"] = frame["outcome"].map({outcome.value: outcome.name.lower() for outcome in Outcome})
    frame["error"] = frame["error"].map({code.value: code.name.lower() for code in ErrorCode})
    table = pa.Table.from_pandas(frame.sort_values(["client", "seq"]), preserve_index=False)
    path = directory.with_suffix(".parquet")
    pq.write_table(
        table, path, compression="zstd", use_dictionary=_NAMES, column_encoding=dict.fromkeys(_DELTAS, _DELTA)
    )
    return path


_NAMES = ["outcome", "error", "domain"]
_DELTAS = ["client", "seq", "due_us", "sent_us", "done_us"]
_DELTA = "DELTA_BINARY_PACKED"
