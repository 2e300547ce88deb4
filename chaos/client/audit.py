"""Reading every key back after the trial: what was acknowledged and is not there was lost.

Says where it cannot tell, and judges nothing else: which losses, and when, is computed from the bits and the rows.
"""

import asyncio
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hiredis

from chaos.client.sanity import Reading, sanity
from chaos.client.spec import Load, key_of
from chaos.clock import mono_ns
from chaos.model import Member, Outcome, split_address
from chaos.record.event_files import EventWriter, read_events
from chaos.record.events import Audit, Sanity
from chaos.record.layout import AUDIT, OPS
from chaos.record.ops_files import read_rows
from chaos.resp import Resp, info_fields, password_from_environment

BATCH = 500
"""Keys a command: Redis is held up for less than a millisecond."""
TIMEOUT_S = 5.0


@dataclass(slots=True)
class Sent:
    """What may be in the database: each client's operations that were sent, or whose writer died over them."""

    seqs: dict[int, "array[int]"] = field(default_factory=dict)
    oldest_ns: int | None = None

    def __len__(self) -> int:
        return sum(map(len, self.seqs.values()))

    def batches(self) -> Iterator[tuple[int, "array[int]"]]:
        for client, seqs in sorted(self.seqs.items()):
            for at in range(0, len(seqs), BATCH):
                yield client, seqs[at : at + BATCH]


@dataclass(slots=True)
class Found:
    """What the master said. Without `run_id` it said nothing."""

    run_id: str = ""
    bits: dict[int, bytearray] = field(default_factory=dict)
    present: int = 0
    doubts: list[str] = field(default_factory=list)


async def audit(
    directory: Path, load: Load, addresses: Sequence[str], members: Sequence[Member], events: EventWriter
) -> None:
    """Ask each master for every key that was sent, write the bits, and remove the keys.

    `addresses` (ip:port) begins with the master that counts; there are more only where nobody can say which one does.
    Ends with the `audit` event, whose `undecided` says why the bits are no proof of losses; empty where they are.
    """
    begun_ns = mono_ns()
    sent = await asyncio.to_thread(read_sent, directory)
    before = await asyncio.to_thread(first_readings, events.path)
    after = await sanity(members, events)
    undecided = [*doubts(addresses, before, after), *expired(sent, load)]
    first, *others = [await read_back(load, address, sent) for address in addresses]
    for found, folder in ((first, ""), *zip(others, map(folder_of, addresses[1:]), strict=True)):
        await asyncio.to_thread(write_bits, directory / AUDIT / folder, found.bits)
        undecided += found.doubts
    events.write(
        Audit(
            address=addresses[0],
            others=list(addresses[1:]),
            run_id=first.run_id,
            keys=len(sent),
            present=first.present,
            took_s=(mono_ns() - begun_ns) / 1e9,
            undecided="; ".join(undecided),
        )
    )


def folder_of(address: str) -> str:
    """Where below audit/ the bits of another master lie: its address, in characters that any file system takes."""
    return address.replace(":", "-")


# What was sent.


def read_sent(directory: Path) -> Sent:
    sent = Sent()
    for path in sorted((directory / OPS).glob("*.rows")):
        for row in read_rows(path):
            if row.sent_us or row.outcome == Outcome.IN_FLIGHT:
                sent.seqs.setdefault(row.client, array("I")).append(row.seq)
                sent.oldest_ns = min(sent.oldest_ns or row.intended_ns, row.intended_ns)
    return sent


# What is there.


async def read_back(load: Load, address: str, sent: Sent) -> Found:
    found = Found()
    host, port = split_address(address)
    try:
        async with Resp.connect(host, port, TIMEOUT_S, password_from_environment()) as redis:
            await _introduce(redis, load, found)
            for client, seqs in sent.batches():
                await _read_batch(redis, load, client, seqs, found)
            for client, seqs in sent.batches():
                checked(await redis.call("UNLINK", *(key_of(load, client, seq) for seq in seqs)))
    except OSError as error:
        found.bits = {}
        found.doubts.append(f"the keys could not be read back from {address}: {error!r}")
    return found


async def _introduce(redis: Resp, load: Load, found: Found) -> None:
    checked(await redis.call("SELECT", load.database))
    found.run_id = info_fields(checked(await redis.call("INFO", "server")))["run_id"]
    role = checked(await redis.call("ROLE"))[0]
    if role != "master":
        raise ConnectionAbortedError(f"it is a {role}")


async def _read_batch(redis: Resp, load: Load, client: int, seqs: "array[int]", found: Found) -> None:
    values = checked(await redis.call("MGET", *(key_of(load, client, seq) for seq in seqs)))
    bits = found.bits.setdefault(client, bytearray())
    bits.extend(bytes(max(0, max(seqs) // 8 + 1 - len(bits))))
    for seq, value in zip(seqs, values, strict=True):
        if value is not None and len(value) == load.value_bytes:
            bits[seq // 8] |= 1 << seq % 8
            found.present += 1


def checked(reply: Any) -> Any:  # noqa: ANN401  a reply is any of RESP's types
    """Raises OSError where Redis refuses: an audit goes on no further."""
    if isinstance(reply, hiredis.ReplyError):
        raise ConnectionAbortedError(str(reply))
    return reply


def write_bits(folder: Path, bits: dict[int, bytearray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for client, present in bits.items():
        (folder / f"{client}.bits").write_bytes(present)


# Why it may prove nothing.


def first_readings(path: Path) -> dict[str, int]:
    """Evicted keys by run id, as each Redis said when the clients were first started."""
    readings: dict[str, int] = {}
    for stamped in read_events(path):
        event = stamped.event
        if isinstance(event, Sanity) and event.evicted_keys is not None:
            readings.setdefault(event.run_id, event.evicted_keys)
    return readings


def doubts(addresses: Sequence[str], before: dict[str, int], after: Sequence[Reading]) -> list[str]:
    """Who is asked and is no master, and keys that Redis evicted. One that was started anew since counts from 0.

    Another Redis that says it is master is none of these: the Sentinels decide which master counts.
    """
    masters = [reading.address for reading in after if reading.role == "master"]
    found = [f"{address} does not say that it is master" for address in addresses if address not in masters]
    for reading in after:
        evicted = (reading.evicted_keys or 0) - before.get(reading.run_id, 0)
        if evicted:
            found.append(f"{reading.member} evicted {evicted} keys")
    return found


def expired(sent: Sent, load: Load) -> list[str]:
    """Our own keys live as long as their TTL: an older one may be gone for no other reason."""
    age_s = (mono_ns() - (sent.oldest_ns or mono_ns())) / 1e9
    return [f"the first keys were {age_s:.0f} s old, their TTL is {load.ttl_s} s"] if age_s >= load.ttl_s else []
