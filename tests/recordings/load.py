"""What the clients of a story recorded: rows and audit bits, as the writers of a real trial leave them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chaos.clock import AGENT
from chaos.model import ErrorCode, Outcome
from chaos.record.layout import FORMAT, NOBODY
from chaos.record.ops_files import pack_header
from chaos.record.reader import ROW_TYPE, Bits, Rows
from tests.recordings.world import IDENTITY, SERVICE_TARGET, T0_NS, Client


@dataclass(frozen=True, kw_only=True)
class Spell:
    """What operations sent in [start_s, end_s) met. `takes_s` is from sent to decided; `lost`: ok, but not kept."""

    path: str
    start_s: float
    end_s: float
    outcome: Outcome = Outcome.FAILED
    error: ErrorCode = ErrorCode.REFUSED
    takes_s: float = 0.001
    connection: str | None = None
    client: int | None = None
    node: int = NOBODY
    target: int | None = None
    lost: bool = False

    def meets(self, client: Client) -> bool:
        fits = self.path == client.path and self.connection in (None, client.connection)
        return fits and self.client in (None, client.number)

    def covers(self, sent_s: np.ndarray) -> np.ndarray:
        covered: np.ndarray = (sent_s >= self.start_s) & (sent_s < self.end_s)
        return covered


@dataclass(frozen=True, kw_only=True)
class Load:
    """The schedule of one client, and what it met. After `switched_s` the successor answers."""

    client: Client
    clients: int
    start_s: float
    end_s: float
    spells: Sequence[Spell]
    master: int
    successor: int
    switched_s: float | None

    def sent_s(self) -> np.ndarray:
        """Every client in a phase of its own; an application client sends nothing while a call of it is blocked."""
        period = 1 / self.client.rate_hz
        sent = np.arange(self.start_s + period * (self.client.number + 1) / (self.clients + 2), self.end_s, period)
        if self.client.kind == "application":
            for spell in self.spells:
                sent = sent[~spell.covers(sent) | ((sent - spell.start_s) % max(spell.takes_s, period) < period)]
        return sent

    def rows(self) -> Rows:
        sent_s = self.sent_s()
        rows = np.zeros(len(sent_s), dtype=ROW_TYPE)
        rows["client"], rows["seq"] = self.client.number, np.arange(len(sent_s))
        rows["flags"] = self.client.connection == "new"
        rows["intended_ns"] = T0_NS + np.round(sent_s * 1e9).astype(np.int64)
        rows["sent_us"], rows["done_us"], rows["outcome"] = 40, 800, Outcome.OK
        switched = np.zeros(len(sent_s), bool) if self.switched_s is None else sent_s >= self.switched_s
        rows["node"] = np.where(switched, self.successor, self.master)
        rows["target"] = rows["node"] if self.client.via_sentinel else SERVICE_TARGET
        if self.client.path == "given":
            _never(rows)
        for spell in self.spells:
            _apply(spell, rows, spell.covers(sent_s))
        return rows

    def kept(self) -> Bits:
        """Which keys are there at the audit."""
        sent_s = self.sent_s()
        kept: Bits = self.rows()["outcome"] == Outcome.OK
        for spell in self.spells:
            if spell.lost:
                kept &= ~spell.covers(sent_s)
        return kept


def _never(rows: Rows) -> None:
    rows["outcome"], rows["error"], rows["sent_us"] = Outcome.FAILED, ErrorCode.NAME_NOT_FOUND, 0
    rows["node"] = rows["target"] = NOBODY


def _apply(spell: Spell, rows: Rows, chosen: np.ndarray) -> None:
    rows["outcome"][chosen], rows["error"][chosen], rows["node"][chosen] = spell.outcome, spell.error, spell.node
    rows["done_us"][chosen] = round(spell.takes_s * 1e6)
    if spell.target is not None:
        rows["target"][chosen] = spell.target
    if spell.outcome is Outcome.MISSED:
        rows["sent_us"][chosen] = rows["done_us"][chosen] = 0


def write_ops(path: Path, clients: Iterable[Client], rows: Rows, identity: dict[str, str] = IDENTITY) -> None:
    header = {
        "format": FORMAT,
        "agent": "agent",
        **identity,
        "domain": AGENT,
        "clients": [c.as_json() for c in clients],
    }
    path.write_bytes(pack_header(header) + rows.tobytes())


def write_bits(path: Path, kept: Bits) -> None:
    path.write_bytes(np.packbits(kept, bitorder="little").tobytes())
