"""The host's side of an executor of faults (`chaos.agent.faults`) in a node helper or in the nest of a local system.

It sends requests and turns the answers into effects. No fault is requested twice: if an answer does not arrive, we do
not know whether the fault was made.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from chaos.agent import reach
from chaos.clock import mono_ns
from chaos.cluster.base import Effect, Partition, Stop
from chaos.errors import FaultError
from chaos.model import Member
from chaos.record.events import Event, FaultUndone, Stamped
from chaos.until import until

Answer = dict[str, Any]

LEASE_S = 30.0
"""How long a fault lasts after the host has stopped renewing its lease."""
RENEW_S = 1.0
"""How often the leases are renewed."""
PAUSE_S = 300.0
"""The longest pause. The executor ends a pause by itself after that."""
PROOF_S, LOOK_S = 5.0, 0.05
"""How long to wait for the proof of a cut, and how often to look for it."""
SENT_AGAIN_S = 0.2
"""TCP resends a lost packet after at least this time. An answer that took this long has lost a packet."""


class Unproved(FaultError):
    """The proof of a fault did not come in time. This makes the trial inconclusive."""


class Executor(ABC):
    """An executor as its host sees it. Effects are on the clock of `domain`. `put` takes events."""

    def __init__(self, domain: str, put: Callable[[Stamped[Event]], None]) -> None:
        self.domain = domain
        self._put = put
        self._told: set[int] = set()

    @abstractmethod
    async def ask(self, do: str, **fields: object) -> Answer:
        """Send one request and return the answer. Raises FaultError if it is refused, or if no answer comes."""

    async def stop(self, member: Member, how: Stop) -> Effect:
        """Stop a member. The answer proves the effect unless its `seen` is false."""
        term = {"lease_s": LEASE_S, "longest_s": PAUSE_S} if how is Stop.PAUSE else {}
        return self._seen(await self.ask(how.value, **_named(member), **term))

    async def resume(self, member: Member) -> None:
        """Resume a paused member. Returns once none of its threads is stopped."""
        await self.ask("resume", **_named(member))

    async def probe(self, cut: Partition) -> None:
        """Open the connection that will prove this cut."""
        probes = [(one.address, one.port, one.kind.value) for one in cut.probes]
        await self.ask("probe", **_named(cut.member), probes=probes)

    async def cut(self, cut: Partition) -> Effect:
        """Make a cut in place of the member's present one.

        `confirmed_ns` is set once the cut has provably dropped packets.
        """
        term = {"lease_s": LEASE_S, "longest_s": cut.longest_s}
        how = {"way": cut.way, "reject": cut.reject, "percent": cut.percent}
        answer = await self.ask("cut", **_named(cut.member), peers=list(cut.peers), **how, **term)
        accepted_ns, confirmed_ns = mono_ns(), None
        between = f"between {cut.member.name} and {len(cut.peers)} peers"
        seen = f"no packet {between} was dropped"

        async def bitten() -> bool:
            """Return whether the cut has dropped a packet and, if it has `probes`, the probe shows it. The probe shows
            a cut if its PING is not answered, and a lossy link if its PING is answered late.
            """
            nonlocal seen
            said = await self.ask("dropped", **_named(cut.member))
            seen = f"{said['dropped'] or 'no'} packets {between} were dropped; {said['evidence']}"
            if said["dropped"] is None:
                raise Unproved(f"there is no cut any more: {seen}")
            lossy = cut.percent < 100  # per cent
            late = said["took_s"] is not None and said["took_s"] >= SENT_AGAIN_S
            shown = not cut.probes or (late if lossy else said["took_s"] is None and "no peer" not in said["evidence"])
            return bool(said["dropped"]) and shown

        try:
            await until(bitten, within_s=PROOF_S, because=lambda: seen, every_s=LOOK_S, error=Unproved)
            confirmed_ns = mono_ns()
        except Unproved as error:
            seen = str(error)
        return self._effect(answer, accepted_ns=accepted_ns, confirmed_ns=confirmed_ns, evidence=seen)

    async def afflict(self, member: Member, do: str, **how: object) -> Effect:
        """Make the fault that the executor calls `do`. The answer says whether its effect was seen."""
        term = {"lease_s": LEASE_S, **({"longest_s": PAUSE_S} if "longest_s" not in how else {})}
        return self._seen(await self.ask(do, **_named(member), **_reached(member), **term, **how))

    async def tell(self, member: Member, *command: str) -> Effect:
        """Send one command. `evidence` is the reply, and `confirmed_ns` is None."""
        answer = await self.ask("tell", **_named(member), **_reached(member), command=list(command))
        return self._effect(answer, accepted_ns=mono_ns(), confirmed_ns=None, evidence=answer["reply"])

    async def heal(self) -> str:
        """Undo every fault of this executor, and return the proof in words. It may be repeated. Raises FaultError."""
        answer = await self.ask("heal")
        self.heard(answer)
        return "; ".join(answer.get("proofs", []))

    @property
    def renewal(self) -> str:
        """Return the request to send every second: `renew`, or `status` while the campaign, our parent, is stopped.

        Ctrl-Z stops the campaign and not its workers, and no fault should last as long as that.
        """
        return "status" if reach.is_stopped(os.getppid()) else "renew"

    def heard(self, answer: Answer) -> None:
        """Record once each fault that the executor undid by itself."""
        for one in answer["healed"]:
            if one["because"] == "asked" or one["after_ns"] in self._told:
                continue
            self._told.add(one["after_ns"])
            undone = FaultUndone(what=one["what"], because=one["because"])
            stamps = {"at_ns": one["after_ns"], "since_ns": one["before_ns"]}
            self._put(Stamped(event=undone, domain=self.domain, **stamps))

    def _seen(self, answer: Answer) -> Effect:
        """Return the effect that an answer tells. It is proved unless `seen` is false."""
        now_ns = mono_ns()
        confirmed_ns = now_ns if answer.get("seen", True) else None
        return self._effect(answer, accepted_ns=now_ns, confirmed_ns=confirmed_ns, evidence=answer["evidence"])

    def _effect(self, answer: Answer, *, accepted_ns: int, confirmed_ns: int | None, evidence: str) -> Effect:
        return Effect(
            domain=self.domain,
            earliest_ns=answer["before_ns"],
            latest_ns=answer["after_ns"],
            accepted_ns=accepted_ns,
            confirmed_ns=confirmed_ns,
            evidence=evidence,
        )


def _named(member: Member) -> dict[str, str]:
    """Return the fields that name a member. A node helper finds it by `container`, a nest by `member`."""
    return {"member": member.name, "uid": member.uid, "container": member.container}


def _reached(member: Member) -> dict[str, object]:
    """Return the fields that say how to connect to a member. `kind` decides which login is used."""
    return {"address": member.address, "port": member.port, "kind": member.kind.value}
