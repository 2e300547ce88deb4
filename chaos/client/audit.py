"""Reads every key back after the trial. A write that was acknowledged and whose key is missing was lost.

The audit says where it cannot tell, and judges nothing else. From its bits and the rows, the analysis computes which
writes were lost, and when.

`sanity` asks every Redis for its role and its counts before the load and after it. Without the counts, a missing key
would prove no loss, because Redis may have evicted it.
"""

import asyncio
from array import array
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import hiredis

from chaos.access import Accesses, reason
from chaos.client.spec import Load, key_of
from chaos.clock import mono_ns
from chaos.model import Member, MemberKind, Outcome, split_address
from chaos.record.event_files import EventWriter, read_events
from chaos.record.events import Audit, Sanity
from chaos.record.layout import AUDIT, OPS
from chaos.record.ops_files import read_rows
from chaos.resp import Resp, info_fields

BATCH = 500
"""The number of keys in one command. So many hold Redis up for less than a millisecond."""
TIMEOUT_S = 5.0
"""How many seconds the master may take to connect, and to answer each command of the audit."""
READING_S = 1.0
"""How many seconds a Redis may take to connect, and to answer each question of `sanity`."""


async def sanity(members: Sequence[Member], events: EventWriter) -> list[Sanity]:
    """Ask every Redis for its role and its counts, and write an event for each. A Redis has READING_S to answer."""
    told = await asyncio.gather(*(_read(member) for member in members if member.kind is MemberKind.REDIS))
    masters = [one.address for one in told if one.role == "master"]
    found = [replace(one, masters=masters) for one in told]
    for one in found:
        events.write(one)
    return found


async def _read(member: Member) -> Sanity:
    of: dict[str, Any] = {"member": member.name, "address": member.ip_port, "masters": []}
    silent = Sanity(**of, run_id="", role="", evicted_keys=None, expired_keys=None, error="")
    try:
        async with Resp.connect(member.address, member.port, READING_S, Accesses.from_environment().redis) as redis:
            info, role = await redis.call("INFO"), await redis.call("ROLE")
    except OSError as error:
        return replace(silent, error=repr(error))
    if isinstance(info, hiredis.ReplyError) or isinstance(role, hiredis.ReplyError):
        return replace(silent, error=f"{info!s:.80} {role!s:.80}")
    fields = info_fields(info)
    return replace(
        silent,
        run_id=fields["run_id"],
        role=role[0],
        evicted_keys=int(fields["evicted_keys"]),
        expired_keys=int(fields["expired_keys"]),
    )


@dataclass(slots=True)
class SentKeys:
    """The operations whose keys may be in the database, by client.

    They were sent, or were in flight when their writer died.
    """

    seqs: dict[int, "array[int]"] = field(default_factory=dict)
    oldest_ns: int | None = None
    acknowledged: set[int] = field(default_factory=set)
    """The clients of which an operation was acknowledged, so that something of theirs could be lost."""

    def of(self, clients: Collection[int]) -> "SentKeys":
        """Return what these clients sent."""
        seqs = {client: seqs for client, seqs in self.seqs.items() if client in clients}
        return SentKeys(seqs=seqs, oldest_ns=self.oldest_ns, acknowledged=self.acknowledged & {*clients})

    def __len__(self) -> int:
        return sum(map(len, self.seqs.values()))

    def batches(self) -> Iterator[tuple[int, "array[int]"]]:
        for client, seqs in sorted(self.seqs.items()):
            for at in range(0, len(seqs), BATCH):
                yield client, seqs[at : at + BATCH]


@dataclass(slots=True)
class Found:
    """What one master answered. `run_id` is empty if it did not answer."""

    run_id: str = ""
    bits: dict[int, bytearray] = field(default_factory=dict)
    present: int = 0
    doubts: list[str] = field(default_factory=list)


async def audit(
    directory: Path, load: Load, addresses: Sequence[str], members: Sequence[Member], events: EventWriter
) -> None:
    """Ask each master for every key that was sent, write the bits, and remove the keys.

    `addresses` (ip:port) begins with the master that counts. It has more only if nobody can say which one counts. The
    last thing written is the `audit` event. Its `undecided` says why the bits do not prove losses, and is empty if they
    do.
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
    """Return the folder below audit/ for another master's bits: the master's address with a dash for the colon."""
    return address.replace(":", "-")


# What was sent.


def read_sent(directory: Path) -> SentKeys:
    sent = SentKeys()
    for path in sorted((directory / OPS).glob("*.rows")):
        for row in read_rows(path):
            if row.sent_us or row.outcome == Outcome.IN_FLIGHT:
                sent.seqs.setdefault(row.client, array("I")).append(row.seq)
                sent.oldest_ns = min(sent.oldest_ns or row.intended_ns, row.intended_ns)
                if row.outcome == Outcome.OK:
                    sent.acknowledged.add(row.client)
    return sent


# What is there.


async def read_back(load: Load, address: str, sent: SentKeys, *, remove: bool = True) -> Found:
    """Ask one master for every key that was sent. Then remove the keys, unless `remove` is false."""
    found = Found()
    host, port = split_address(address)
    try:
        async with Resp.connect(host, port, TIMEOUT_S, Accesses.from_environment().redis) as redis:
            checked(await redis.call("SELECT", load.database))
            found.run_id = info_fields(checked(await redis.call("INFO", "server")))["run_id"]
            role = checked(await redis.call("ROLE"))[0]
            if role != "master":
                raise ConnectionAbortedError(f"it is a {role}")
            for client, seqs in sent.batches():
                await _read_batch(redis, load, client, seqs, found)
            for client, seqs in sent.batches() if remove else ():
                checked(await redis.call("UNLINK", *(key_of(load, client, seq) for seq in seqs)))
    except OSError as error:
        found.bits = {}
        found.doubts.append(f"the keys could not be read back from {address}: {reason(error) or type(error).__name__}")
    return found


async def _read_batch(redis: Resp, load: Load, client: int, seqs: "array[int]", found: Found) -> None:
    values = checked(await redis.call("MGET", *(key_of(load, client, seq) for seq in seqs)))
    bits = found.bits.setdefault(client, bytearray())
    bits.extend(bytes(max(0, max(seqs) // 8 + 1 - len(bits))))
    for seq, value in zip(seqs, values, strict=True):
        if value is not None and len(value) == load.value_bytes:
            bits[seq // 8] |= 1 << seq % 8
            found.present += 1


def checked(reply: Any) -> Any:  # noqa: ANN401  a reply is any of RESP's types
    """Return the reply. Raises OSError if Redis refused the command, since the audit cannot go on then."""
    if isinstance(reply, hiredis.ReplyError):
        raise ConnectionAbortedError(str(reply))
    return reply


def write_bits(folder: Path, bits: dict[int, bytearray]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for client, present in bits.items():
        (folder / f"{client}.bits").write_bytes(present)


# Why it may prove nothing.


def first_readings(path: Path) -> dict[str, int]:
    """Return how many keys each Redis had evicted when the clients were first started, by its run id."""
    readings: dict[str, int] = {}
    for stamped in read_events(path):
        event = stamped.event
        if isinstance(event, Sanity) and event.evicted_keys is not None:
            readings.setdefault(event.run_id, event.evicted_keys)
    return readings


def doubts(addresses: Sequence[str], before: dict[str, int], after: Sequence[Sanity]) -> list[str]:
    """Return why the audit may prove nothing: an address that is asked is no master, or a Redis evicted keys.

    A Redis that was started anew since the first reading counts from 0. Another Redis that says it is master is no
    doubt here, because the Sentinels decide which master counts.
    """
    masters = [reading.address for reading in after if reading.role == "master"]
    found = [f"{address} does not say that it is master" for address in addresses if address not in masters]
    for reading in after:
        evicted = (reading.evicted_keys or 0) - before.get(reading.run_id, 0)
        if evicted:
            found.append(f"{reading.member} evicted {evicted} keys")
    return found


def expired(sent: SentKeys, load: Load) -> list[str]:
    """Return a doubt if the audit came later than the TTL of our keys, because an older key may have expired."""
    age_s = (mono_ns() - (sent.oldest_ns or mono_ns())) / 1e9
    return [f"the first keys were {age_s:.0f} s old, their TTL is {load.ttl_s} s"] if age_s >= load.ttl_s else []
