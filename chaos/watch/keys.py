"""Our keys in somebody else's Redis: read back after an outage, and removed as soon as nothing needs them."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos.access import Accesses, reason
from chaos.client.audit import checked, expired, folder_of, read_back, read_sent, sanity, write_bits
from chaos.client.spec import ClientSpec, Load, key_of
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kept:
    """Where the keys of some clients are. There are several masters only if the Sentinels do not agree on one."""

    masters: tuple[str, ...]
    clients: tuple[int, ...]


class Keys:
    """Reads our keys back and removes them.

    `sent` maps each client to the number of its last operation that Redis may have applied. `master` is the master that
    Sentinel named when the watch began, or an empty string without Sentinels.
    """

    def __init__(self, asked: GuestWish, recent: Recent, clients: Sequence[ClientSpec], master: str) -> None:
        self._asked = asked
        self._recent = recent
        self._clients = clients
        self._master = master
        self._removed: dict[int, int] = {}
        self.sent: dict[int, int] = {}

    async def audit(self, directory: Path, load: Load, members: tuple[Member, ...]) -> None:
        """Read every key of an entry back from the master that the Sentinels name, or through its client's Service."""
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
            places, run_ids, present = self._places(), [], 0
            for place in places:
                keys = sent.of(place.clients)
                for address in place.masters:
                    found = await read_back(load, self._asked.reached(address), keys, remove=False)
                    is_first = address == place.masters[0]
                    write_bits(directory / AUDIT / ("" if is_first else folder_of(address)), found.bits)
                    undecided += found.doubts if keys.acknowledged else []
                    if is_first:
                        run_ids.append(found.run_id)
                        present += found.present
            events.write(
                Audit(
                    address=", ".join(place.masters[0] for place in places),
                    others=[other for place in places for other in place.masters[1:]],
                    run_id=", ".join(run_ids),
                    keys=len(sent),
                    present=present,
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
        applied = {client: seq + 1 for client, seq in self.sent.items()}
        gone = self._recent.gone
        upto = applied if all_of_them else {client: min(seq, gone.get(client, 0)) for client, seq in applied.items()}
        due = {client: range(self._removed.get(client, 0), seq) for client, seq in upto.items()}
        if load.read_only:
            return ""
        why = [await self._remove_at(place, load, due) for place in self._places()]
        return "; ".join(dict.fromkeys(filter(None, why)))

    async def _remove_at(self, place: _Kept, load: Load, due: Mapping[int, range]) -> str:
        seqs_of = {client: due[client] for client in place.clients if due.get(client)}
        if not seqs_of:
            return ""
        host, port = split_address(self._asked.reached(place.masters[0]))
        try:
            async with Resp.connect(host, port, REMOVING_S, Accesses.from_environment().redis) as redis:
                checked(await redis.call("SELECT", load.database))
                for client, seqs in seqs_of.items():
                    for at in range(0, len(seqs), BATCH):
                        keys = [key_of(load, client, seq) for seq in seqs[at : at + BATCH]]
                        checked(await redis.call("UNLINK", *keys))
                    self._removed[client] = seqs.stop
        except OSError as error:
            return reason(error) or type(error).__name__
        return ""

    def _places(self) -> list[_Kept]:
        """Return where the keys of each client are: at the master that a majority of the Sentinels names.

        If no majority names one, every master that a Sentinel names may have them. Without Sentinels, the keys are
        where the client's Service leads.
        """
        if not self._master:
            services = dict.fromkeys(spec.address for spec in self._clients)
            return [
                _Kept(masters=(one,), clients=tuple(spec.number for spec in self._clients if spec.address == one))
                for one in services
            ]
        told = [one.address for one in self._recent.state(SentinelAddress) if isinstance(one, SentinelAddress)]
        addresses = [canonical(one) for one in told if one]
        counted = [address for address, _ in Counter(addresses).most_common()] or [self._master]
        agreed = 2 * addresses.count(counted[0]) > len(addresses)
        masters = counted[:1] if agreed else counted
        return [_Kept(masters=tuple(masters), clients=tuple(spec.number for spec in self._clients))]
