"""The host's side of an executor of faults (`chaos.agent.faults`), in a node helper or in the nest of a local system.

It sends requests and turns the answers into effects. No fault is tried again: if an answer does not come, it is not
known whether the fault was made.
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
"""How long a fault may last after the host has fallen silent."""
RENEW_S = 1.0
"""How often leases are renewed."""
PAUSE_S = 300.0
"""The longest pause. The executor ends it by itself after that."""
PROOF_S, LOOK_S = 5.0, 0.05
"""How long the proof of a cut is waited for, and how often it is asked for."""
SENT_AGAIN_S = 0.2
"""TCP sends a lost packet again after this time at the earliest, so that an answer that took as long has lost one."""


class Unproved(FaultError):
    """The proof of a fault did not come in time. That makes the trial inconclusive, and is no failing of ours."""


class Executor(ABC):
    """An executor as its host sees it. Effects are on the clock of `domain`. `put` takes events."""

    def __init__(self, domain: str, put: Callable[[Stamped[Event]], None]) -> None:
        self.domain = domain
        self._put = put
        self._told: set[int] = set()

    @abstractmethod
    async def ask(self, do: str, **fields: object) -> Answer:
        """One request. Raises FaultError for a refusal, and where the answer did not come."""

    async def stop(self, member: Member, how: Stop) -> Effect:
        """Stop a member. The answer is the proof, unless it says that the effect was not seen."""
        term = {"lease_s": LEASE_S, "longest_s": PAUSE_S} if how is Stop.PAUSE else {}
        answer = await self.ask(how.value, **_named(member), **term)
        now_ns = mono_ns()
        confirmed_ns = now_ns if answer.get("seen", True) else None
        return self._effect(answer, accepted_ns=now_ns, confirmed_ns=confirmed_ns, evidence=answer["evidence"])

    async def resume(self, member: Member) -> None:
        """Let a paused member go on. Returns once none of its threads is stopped any more."""
        await self.ask("resume", **_named(member))

    async def probe(self, cut: Partition) -> None:
        """Open the connection that is to prove this cut."""
        probes = [(one.address, one.port, one.kind.value) for one in cut.probes]
        await self.ask("probe", **_named(cut.member), probes=probes)

    async def cut(self, cut: Partition) -> Effect:
        """Make a cut in place of the executor's present one. It is confirmed once it has dropped a packet."""
        term = {"lease_s": LEASE_S, "longest_s": cut.longest_s}
        how = {"way": cut.way, "reject": cut.reject, "percent": cut.percent}
        answer = await self.ask("cut", **_named(cut.member), peers=list(cut.peers), **how, **term)
        accepted_ns, confirmed_ns = mono_ns(), None
        between = f"between {cut.member.name} and {len(cut.peers)} peers"
        seen = f"no packet {between} was dropped"

        async def bitten() -> bool:
            """Return whether packets were counted and an old connection shows it: silent, or late on a lossy link."""
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
        """Do to a member what the executor calls so. Its answer says whether the effect was seen, and how."""
        term = {"lease_s": LEASE_S, **({"longest_s": PAUSE_S} if "longest_s" not in how else {})}
        answer = await self.ask(do, **_named(member), **_reached(member), **term, **how)
        now_ns = mono_ns()
        confirmed_ns = now_ns if answer["seen"] else None
        return self._effect(answer, accepted_ns=now_ns, confirmed_ns=confirmed_ns, evidence=answer["evidence"])

    async def tell(self, member: Member, *command: str) -> Effect:
        """Send one command. `evidence` is its reply, and nothing is confirmed."""
        answer = await self.ask("tell", **_named(member), **_reached(member), command=list(command))
        return self._effect(answer, accepted_ns=mono_ns(), confirmed_ns=None, evidence=answer["reply"])

    async def heal(self) -> str:
        """Undo all that this executor holds, and say what proves it. It may be repeated. Raises FaultError."""
        answer = await self.ask("heal")
        self.heard(answer)
        return "; ".join(answer.get("proofs", []))

    @property
    def renewal(self) -> str:
        """What is asked once a second: `renew`, or only `status` while our parent, the campaign, is stopped.

        A terminal stops the process group of the command, which is the campaign without its workers. A harness that is
        stopped so has fallen silent, though its worker goes on, and whatever it holds has to be undone.
        """
        return "status" if reach.is_stopped(os.getppid()) else "renew"

    def heard(self, answer: Answer) -> None:
        """Record once what the executor undid by itself: from then on the fault was not in force."""
        for one in answer["healed"]:
            if one["because"] == "asked" or one["after_ns"] in self._told:
                continue
            self._told.add(one["after_ns"])
            undone = FaultUndone(what=one["what"], because=one["because"])
            stamps = {"at_ns": one["after_ns"], "since_ns": one["before_ns"]}
            self._put(Stamped(event=undone, domain=self.domain, **stamps))

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
    """How a request names a member: a node finds it by container, a nest by name. Its successor has another uid."""
    return {"member": member.name, "uid": member.uid, "container": member.container}


def _reached(member: Member) -> dict[str, object]:
    """Return how a command reaches a member. Its kind decides how it is logged in to."""
    return {"address": member.address, "port": member.port, "kind": member.kind.value}
