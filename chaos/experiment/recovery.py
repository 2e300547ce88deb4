"""Waiting in a trial: until it is healthy, until it has recovered, for a time; watching the recording all the while.

Not recovering within the limit is a result and raises nothing. Losing the agent is our own failing and raises.
"""

import asyncio

from chaos.clock import mono_ns
from chaos.cluster.health import endpoints_wrong, masters_wrong, unhealthy
from chaos.experiment import live_paths
from chaos.experiment.session import Session
from chaos.model import service_in
from chaos.progress import Message, Tell

LOOK_S = 0.25
"""How often what came is looked at; the operations' own stamps say when a path was back, not this."""
PULL_NS = 1_000_000_000
FRESH_NS = 3_000_000_000
"""A recording to which nothing was added for this long is not live: the agent's files arrive every second."""


async def look(session: Session) -> None:
    """Take what the agent has recorded, and tell what is new in it; raises SetupError when the agent is gone.

    What it records comes by itself; asking for it once a second is how its end is noticed.
    """
    if mono_ns() - session.pulled_ns >= PULL_NS:
        await session.agent.pull()
        session.pulled_ns = mono_ns()
    session.observed.follow()
    live_paths.mark(session.observed, session.proven, int(session.scenario.gap * 1e9))


async def is_live(session: Session) -> bool:
    """Whether each client of a path that worked has just had a good operation; after a fault a bad one will do too."""
    await look(session)
    observed = session.observed
    since_ns = observed.now_at_agent() - FRESH_NS
    clients = [one for path in session.proven for one in observed.ops.paths().get(path, [])]
    faulty = session.effect_ns is not None
    return bool(clients) and all(one.ok(since_ns) or (faulty and one.bad(since_ns)) for one in clients)


async def wait(session: Session, seconds: float) -> None:
    """Wait so long from now, and go on looking at the record."""
    end_ns = mono_ns() + int(seconds * 1e9)
    while (left_ns := end_ns - mono_ns()) > 0:
        await look(session)
        await asyncio.sleep(min(LOOK_S, left_ns / 1e9))
    await look(session)


async def hold(session: Session, seconds: float) -> None:
    """Wait until `seconds` after t = 0."""
    gone_s = (mono_ns() - session.effect_ns) / 1e9 if session.effect_ns else 0.0
    await wait(session, seconds - gone_s)


async def recovered(session: Session) -> str:
    """Wait until every path that worked is good and stable and the failover is over, or until the limit."""
    since_ns, limit_s = session.effect_ns or mono_ns(), session.scenario.limits.recovery
    while missing := outstanding(session, since_ns):
        waited_s = (mono_ns() - since_ns) / 1e9
        if waited_s >= limit_s:
            return f"not recovered within {limit_s:g} s: {'; '.join(missing)}"
        more = f"; {len(missing) - 1} more" if len(missing) > 1 else ""
        session.tell(Message(Tell.WAITING, {"name": "recovery", "text": missing[0] + more, "seconds": waited_s}))
        await asyncio.sleep(LOOK_S)
        await look(session)
    session.recovered_ns = mono_ns()
    return f"recovered, and stable for {session.scenario.limits.stable:g} s"


async def healthy(session: Session) -> list[str]:
    """Return what is not as it should be. After a fault the system has until the end of watching to become healthy."""
    seconds = session.scenario.limits.watch if session.effect_ns is not None else 0.0
    end_ns = (session.recovered_ns or mono_ns()) + int(seconds * 1e9)
    while wrong := sick(session):
        if mono_ns() >= end_ns:
            return wrong
        await asyncio.sleep(LOOK_S)
        await look(session)
    return []


def sick(session: Session) -> list[str]:
    return unhealthy(session.scene.facts, session.scenario.system, services(session))


def services(session: Session) -> tuple[str, ...]:
    """Names of the Services that the scenario's clients write through."""
    addresses = (client.address for client in session.scenario.clients.values() if client.address)
    return tuple(sorted({service_in(address) for address in addresses}))


def outstanding(session: Session, since_ns: int) -> list[str]:
    """Return what is still missing for the system to have recovered, as sentences.

    A master that is to be demoted and still answers makes a path look well, so that there has to be one alone, and a
    Service has to name it. A failover that nobody needs is not waited for: where no fault is held and the system is
    healthy in every Sentinel's eyes, the master was back before it was missed.
    """
    observed, stable_ns = session.observed, int(session.scenario.limits.stable * 1e9)
    good = observed.ops.recovered(observed.at_agent(since_ns), stable_ns, observed.now_at_agent())
    missing = [f"{path} to be back and stable" for path in sorted(session.proven) if not good[path]]
    if session.expects == "failover":
        wrong = unhealthy(session.scene.facts, session.scenario.system, services(session))
        needed = bool(session.scene.held or wrong)
        missing += ["a failover to be seen to its end"] if needed and not observed.seen.over else []
        missing += masters_wrong(session.scene.facts)
        missing += endpoints_wrong(session.scene.facts, session.scenario.system, services(session))
    return missing
