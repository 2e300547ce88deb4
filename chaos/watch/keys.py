"""Our keys in somebody else's Redis: read back after an outage, and removed as soon as nothing needs them."""

import asyncio
from collections import Counter
from pathlib import Path

from chaos.access import Accesses
from chaos.client.audit import checked, expired, folder_of, read_back, read_sent, sanity, write_bits
from chaos.client.spec import Load, key_of
from chaos.clock import HOST, mono_ns
from chaos.model import Member, canonical, split_address
from chaos.record.event_files import EventWriter
from chaos.record.events import Audit, Sanity, SentinelAddress
from chaos.record.layout import AUDIT, EVENTS
from chaos.resp import Resp
from chaos.watch.entries import Recent
from chaos.watch.guest import GuestWish

BATCH = 500
REMOVING_S = 5.0
"""How many seconds the master may take to connect, and to remove a batch of keys."""
ONLY_READ = "only reads were sent"


class Keys:
    """Reads our keys back and removes them. `sent` maps each client to the number of its last operation."""

    def __init__(self, asked: GuestWish, recent: Recent, master: str) -> None:
        self._asked = asked
        self._recent = recent
        self._master = master
        self._removed: dict[int, int] = {}
        self.sent: dict[int, int] = {}

    async def audit(self, directory: Path, load: Load, members: tuple[Member, ...]) -> None:
        """Read every key of an entry back from the master that the Sentinels name, or through the Service."""
        begun_ns, events = mono_ns(), EventWriter(directory / EVENTS / "audit.jsonl", HOST)
        try:
            if load.read_only:
                events.write(Audit(address="", run_id="", keys=0, present=0, took_s=0.0, undecided=ONLY_READ))
                return
            sent = await asyncio.to_thread(read_sent, directory)
            told = (one for one in self._recent.state(Sanity) if isinstance(one, Sanity))
            before = {one.run_id: one.evicted_keys or 0 for one in told}
            after = await sanity(members, events)
            evicted = [(one.member, (one.evicted_keys or 0) - before.get(one.run_id, 0)) for one in after]
            undecided = [f"{member} evicted {count} keys" for member, count in evicted if count > 0]
            undecided += expired(sent, load)
            first, *others = self._masters()
            found = await read_back(load, self._asked.reached(first), sent, remove=False)
            write_bits(directory / AUDIT, found.bits)
            undecided += found.doubts
            for address in others:
                other = await read_back(load, self._asked.reached(address), sent, remove=False)
                write_bits(directory / AUDIT / folder_of(address), other.bits)
                undecided += other.doubts
            events.write(
                Audit(
                    address=first,
                    others=others,
                    run_id=found.run_id,
                    keys=len(sent),
                    present=found.present,
                    took_s=(mono_ns() - begun_ns) / 1e9,
                    undecided="; ".join(undecided),
                )
            )
        finally:
            events.close()

    async def remove(self, load: Load, *, all_of_them: bool = False) -> str:
        """Remove the keys that no entry can need any more. Return why that failed, or an empty string if it did not.
        The keys that cannot be removed now are tried again at the next call, or expire by their TTL.
        """
        upto = {client: seq + 1 for client, seq in self.sent.items()} if all_of_them else self._recent.gone
        due = {client: range(self._removed.get(client, 0), seq) for client, seq in upto.items()}
        if load.read_only or not any(due.values()):
            return ""
        host, port = split_address(self._asked.reached(self._masters()[0]))
        try:
            async with Resp.connect(host, port, REMOVING_S, Accesses.from_environment().redis) as redis:
                checked(await redis.call("SELECT", load.database))
                for client, seqs in due.items():
                    for at in range(0, len(seqs), BATCH):
                        keys = [key_of(load, client, seq) for seq in seqs[at : at + BATCH]]
                        checked(await redis.call("UNLINK", *keys))
                    self._removed[client] = seqs.stop
        except OSError as error:
            return str(error) or type(error).__name__
        return ""

    def _masters(self) -> list[str]:
        """Return the master that most Sentinels name, or else all that one names; without Sentinels, the Service."""
        told = [one.address for one in self._recent.state(SentinelAddress) if isinstance(one, SentinelAddress)]
        addresses = [canonical(one) for one in told if one]
        counted = Counter(addresses).most_common()
        if not counted:
            return [self._master]
        if 2 * counted[0][1] > len(addresses):
            return [counted[0][0]]
        return [address for address, _ in counted]
