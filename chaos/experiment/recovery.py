"""Wait in a trial until it is healthy, until it has recovered, or for some time, and follow the recording meanwhile.

A system that does not recover within the limit is a result and raises nothing. A lost agent raises SetupError.
"""

import asyncio

from chaos.clock import mono_ns
from chaos.cluster.health import endpoints_wrong, masters_wrong, unhealthy
from chaos.experiment.session import Session
from chaos.model import service_in
from chaos.progress import Message, Tell

LOOK_S = 0.25
"""How often to look at the recording. Recovery times do not depend on this, because each operation has its own time
stamps."""
PULL_NS = 1_000_000_000
FRESH_NS = 3_000_000_000
"""A recording that has not grown for this long is not live. The agent's files arrive every second."""


async def look(session: Session) -> None:
    """Read what is new in the recording, and show it to the user. Raises SetupError if the agent is gone. The files
    arrive by themselves. `pull` is called once a second only to notice that the agent has ended.
    """
    if mono_ns() - session.pulled_ns >= PULL_NS:
        await session.agent.pull()
        session.pulled_ns = mono_ns()
    session.observed.follow()
    session.observed.mark_paths(session.proven, int(session.scenario.gap * 1e9))


async def is_live(session: Session) -> bool:
    """Return whether each client of a path that worked was good lately. After a fault, a bad operation counts too."""
    await look(session)
    observed = session.observed
    since_ns = observed.now_at_agent() - FRESH_NS
    clients = [one for path in session.proven for one in observed.ops.paths().get(path, [])]
    faulty = session.effect_ns is not None
    return bool(clients) and all(one.ok(since_ns) or (faulty and one.bad(since_ns)) for one in clients)


async def wait(session: Session, seconds: float) -> None:
    """Wait this many seconds, and follow the recording."""
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
    """Wait until every path that worked is stable and the failover is over, or until the limit, and say so."""
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
    """Return what is wrong with the system. After a fault, first wait for at most `limits.watch` until nothing is."""
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
    """Return the names of the Services that the scenario's clients write through."""
    addresses = (client.address for client in session.scenario.clients.values() if client.address)
    return tuple(sorted({service_in(address) for address in addresses}))


def outstanding(session: Session, since_ns: int) -> list[str]:
    """Return sentences on what is still missing until the system has recovered.

    Working paths alone do not prove recovery: a former master may still answer that will be demoted. So exactly one
    Redis must be master, and the Services must lead to it. A failover is waited for only if one is needed: if no fault
    is held and all Sentinels see a healthy system, the master came back before they noticed.
    """
    observed, stable_ns = session.observed, int(session.scenario.limits.stable * 1e9)
    good = observed.ops.recovered(observed.at_agent(since_ns), stable_ns, observed.now_at_agent())
    missing = [f"{path} to be back and stable" for path in sorted(session.proven) if not good[path]]
    if session.expects == "failover":
        wrong = sick(session)
        needed = bool(session.scene.held or wrong)
        missing += ["a failover to be seen to its end"] if needed and not observed.seen.over else []
        missing += masters_wrong(session.scene.facts)
        missing += endpoints_wrong(session.scene.facts, session.scenario.system, services(session))
    return missing
