"""A written trial, told otherwise: at another time, in another order, by another clock, with one more client.

What a trial says must not depend on any of these, so that a test compares the result before with the one after.
"""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from chaos.model import Outcome
from chaos.record.layout import ROW
from chaos.record.ops_files import pack_header, read_header
from chaos.record.reader import ROW_TYPE, Rows
from tests.recordings.load import write_bits

Line = dict[str, Any]
OTHER_BOOT = "9c2d7b10-0000-4000-8000-7f3a0000000b"


def each_event(directory: Path, change: Callable[[Line], Line]) -> None:
    for path in (directory / "events").glob("*.jsonl"):
        lines = [change(json.loads(line)) for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def each_row(directory: Path, change: Callable[[dict[str, Any], Rows], Rows]) -> None:
    """`change` may alter the header in place, and gives the rows."""
    for path in (directory / "ops").glob("*.rows"):
        header, offset = read_header(path)
        rows = np.frombuffer(path.read_bytes(), dtype=ROW_TYPE, offset=offset).copy()
        rows = change(header, rows)
        path.write_bytes(pack_header(header) + rows.tobytes())


def _moved(line: Line, by_ns: int) -> Line:
    return line | {name: line[name] + by_ns for name in ("at_ns", "since_ns", "mono_ns") if line.get(name) is not None}


def later(directory: Path, by_ns: int) -> None:
    """Everything happens so much later on the monotonic clock, as after a longer uptime; the wall clock is the same."""

    def moved(_header: dict[str, Any], rows: Rows) -> Rows:
        rows["intended_ns"] += by_ns
        return rows

    each_event(directory, lambda line: _moved(line, by_ns))
    each_row(directory, moved)


def shuffled(directory: Path, seed: int) -> None:
    """Rows and events in another order, and the rows in two files instead of one."""
    chance = random.Random(seed)
    for path in (directory / "events").glob("*.jsonl"):
        lines = path.read_text().splitlines(keepends=True)
        chance.shuffle(lines)
        path.write_text("".join(lines))
    for path in list((directory / "ops").glob("*.rows")):
        header, offset = read_header(path)
        data = path.read_bytes()[offset:]
        rows = [data[at : at + ROW.size] for at in range(0, len(data), ROW.size)]
        chance.shuffle(rows)
        half = len(rows) // 2
        path.write_bytes(pack_header(header) + b"".join(rows[:half]))
        path.with_name(f"a-{path.name}").write_bytes(pack_header(header) + b"".join(rows[half:]))


def by_another_clock(directory: Path, domain: str, ahead_ns: int, error_ns: int) -> None:
    """What `domain` stamps, on a clock that is so far ahead of the host's; it is exchanged with that error."""

    def other(line: Line) -> Line:
        if line["domain"] != domain:
            return line
        return _moved(line, ahead_ns) | ({"boot_id": OTHER_BOOT} if line["kind"] == "clock.domain" else {})

    def moved(header: dict[str, Any], rows: Rows) -> Rows:
        if header["domain"] == domain:
            header["boot_id"] = OTHER_BOOT
            rows["intended_ns"] += ahead_ns
        return rows

    each_event(directory, other)
    each_row(directory, moved)
    path = directory / "events" / "host.jsonl"
    stamps = [json.loads(line)["at_ns"] for line in path.read_text().splitlines()]
    exchange = {"kind": "clock.offset", "domain": "host", "of": domain, "offset_ns": ahead_ns, "error_ns": error_ns}
    with path.open("a") as file:
        for at_ns in range(min(stamps), max(stamps), 5 * 10**9):
            file.write(json.dumps(exchange | {"at_ns": at_ns}) + "\n")


def with_an_untroubled_client(directory: Path, like: int) -> None:
    """One more client of the path of client number `like`, whose every operation was good and is kept."""
    manifest = json.loads((directory / "manifest.json").read_text())
    number = max(one["number"] for one in manifest["clients"]) + 1
    entry = next(one for one in manifest["clients"] if one["number"] == like) | {"number": number}
    manifest["clients"].append(entry)
    (directory / "manifest.json").write_text(json.dumps(manifest))

    def joined(header: dict[str, Any], rows: Rows) -> Rows:
        if all(one["number"] != like for one in header["clients"]):
            return rows
        header["clients"].append(entry)
        mine = rows[rows["client"] == like].copy()
        mine["client"], mine["error"], mine["outcome"] = number, 0, Outcome.OK
        mine["sent_us"], mine["done_us"] = 40, 800
        for folder in [directory / "audit", *(each for each in (directory / "audit").iterdir() if each.is_dir())]:
            write_bits(folder / f"{number}.bits", np.ones(int(mine["seq"].max()) + 1, bool))
        return np.concatenate([rows, mine])

    each_row(directory, joined)
