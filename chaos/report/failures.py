"""Every operation that was not good in time: each as a line of a file, and together in groups for the page."""

import io
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from chaos.model import ErrorCode
from chaos.report import words
from chaos.report.placed import Client, Placed, kinds
from chaos.report.rows import Row

KINDS = ("failed", "unknown", "late", "missed")
COLUMNS = (
    "trial",
    "path",
    "client",
    "seq",
    "at_s",
    "sent_after_ms",
    "decided_after_ms",
    "outcome",
    "error",
    "asked",
    "answered",
)
"""Of failed-operations.csv. `at_s` is when it was due, from t = 0; the two after it count from there."""


def failures(placed: Placed, trial: int) -> pd.DataFrame:
    """One trial's, in the order in which they were due; without an axis there are none to place."""
    asked, answered = _names(placed.names("target")), _names(placed.names("node"))
    parts = [_of(placed, client, asked, answered) for client in placed.clients]
    table = pd.concat([part for part in parts if len(part)] or [pd.DataFrame(columns=COLUMNS)], ignore_index=True)
    return table.assign(trial=trial).sort_values(["at_s", "client", "seq"], kind="stable")[list(COLUMNS)]


def as_csv(tables: Sequence[pd.DataFrame]) -> bytes:
    """The file: a line an operation, trial after trial."""
    whole = pd.concat([table for table in tables if len(table)] or [pd.DataFrame(columns=COLUMNS)], ignore_index=True)
    buffer = io.BytesIO()
    csv.write_csv(pa.Table.from_pandas(whole, preserve_index=False), buffer, csv.WriteOptions(quoting_style="needed"))
    return buffer.getvalue()


def grouped(tables: Sequence[pd.DataFrame], most: int = 400) -> list[Row]:
    """The page's groups, in the order of trials, paths and first operations; never more than `most`."""
    keys = ["trial", "path", "outcome", "error", "asked"]
    found: list[Row] = []
    for table in tables:
        times = table.groupby(keys, sort=False, observed=True)["at_s"].agg(["size", "min", "max"]).reset_index()
        for line in times.sort_values(["path", "min"], kind="stable").itertuples(index=False):
            *named, size, first, last = line
            trial, path, outcome, error, asked = map(str, named)
            said = error.lower().replace("_", " ") or "–"
            found.append(
                (trial, path, outcome, said, asked, words.count(int(size)), words.number(first), words.number(last))
            )
    return found[:most]


def _of(placed: Placed, client: Client, asked: np.ndarray, answered: np.ndarray) -> pd.DataFrame:
    masks = kinds(placed, client, None)
    kind = np.select([masks[name] for name in KINDS], KINDS, default="")
    bad = kind != ""
    rows = client.rows[bad]
    return pd.DataFrame(
        {
            "path": client.path,
            "client": rows["client"],
            "seq": rows["seq"],
            "at_s": np.round(client.at_s[bad], 6),
            "sent_after_ms": rows["sent_us"] / 1000.0,
            "decided_after_ms": rows["done_us"] / 1000.0,
            "outcome": kind[bad],
            "error": _ERRORS[rows["error"]],
            "asked": asked[rows["target"]],
            "answered": answered[rows["node"]],
        }
    )


def _names(known: dict[int, str]) -> np.ndarray:
    """Names by their index, as rows hold it: one byte."""
    return np.array([known.get(index, f"#{index}") for index in range(256)], dtype=object)


_ERRORS = _names({int(code): "" if code is ErrorCode.NONE else code.name for code in ErrorCode})
