"""Apply a fault and record its course: requested, accepted, effect, confirmed or unproved. Also heal.

The system's reaction is not looked at here. A fault whose proof does not come is recorded as unproved, and raises
nothing: the analysis calls that trial inconclusive. Only failures of the harness are raised.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from chaos.clock import HOST
from chaos.cluster.base import Effect
from chaos.cluster.health import Facts
from chaos.errors import FaultError, HarnessError
from chaos.fault.aim import Scene, joined
from chaos.fault.catalogue import FAULTS
from chaos.model import Member
from chaos.record.events import (
    FaultAccepted,
    FaultConfirmed,
    FaultEffect,
    FaultRequested,
    FaultUnproved,
    HealConfirmed,
    HealRequested,
    TargetEntry,
)


async def inject(scene: Scene, name: str, targets: Sequence[Member], arguments: dict[str, Any]) -> Effect:
    """Apply the fault `name`, and return its effect: of a fault in turn, the one on the master, or else the first.
    Returns once the effect is proved, or the wait for its proof is over.
    """
    if not FAULTS[name].in_turn:
        return await _inject(scene, name, targets, arguments)
    on_master: list[Effect] = []
    others: list[Effect] = []
    for one in sorted(targets, key=lambda member: (member.ordinal or 0, member.name), reverse=True):
        scene.look()
        said = scene.facts.role(one)
        effect = await _inject(scene, name, [one], arguments)
        (on_master if said and said.role == "master" else others).append(effect)
        if effect.ends:
            break
    return next(iter([*on_master, *others]))


async def _inject(scene: Scene, name: str, targets: Sequence[Member], arguments: dict[str, Any]) -> Effect:
    """Apply a fault once. How to undo a lasting one is written down before it is requested."""
    write, fault = scene.events.write, FAULTS[name]
    if fault.lasting:
        for one in targets:
            await scene.journal.write(scene.cluster.undoing(name, one))
        scene.held.append(name)
    request(scene, name, targets, arguments)
    try:
        if fault.together or not fault.aimed:
            effect = await fault.apply(scene, targets, **arguments)
        else:
            effect = joined(scene, await asyncio.gather(*(fault.apply(scene, one, **arguments) for one in targets)))
    except HarnessError as error:
        write(FaultUnproved(fault=name, evidence=f"not known to have been applied: {error}"))
        raise
    write(FaultAccepted(fault=name), domain=HOST, at_ns=effect.accepted_ns)
    write(FaultEffect(fault=name), domain=effect.domain, at_ns=effect.latest_ns, since_ns=effect.earliest_ns)
    if effect.confirmed_ns is None:
        write(FaultUnproved(fault=name, evidence=effect.evidence), domain=HOST)
    else:
        write(FaultConfirmed(fault=name, evidence=effect.evidence), domain=HOST, at_ns=effect.confirmed_ns)
    return effect


def request(scene: Scene, name: str, targets: Sequence[Member], arguments: dict[str, Any]) -> None:
    """Record the request for a fault, with its targets."""
    named = [described(one, scene.facts) for one in targets]
    said = {key: value for key, value in arguments.items() if key != "origin"}
    scene.events.write(
        FaultRequested(
            fault=name,
            target=named[0] if named else None,
            arguments=said,
            origin=arguments.get("origin"),
            others=named[1:],
        )
    )


def gave_up(scene: Scene, name: str, arguments: dict[str, Any], why: str) -> None:
    """Record a fault that was never made, because its target or its moment did not come."""
    request(scene, name, [], arguments)
    scene.events.write(FaultUnproved(fault=name, evidence=why), domain=HOST)


async def heal(scene: Scene) -> None:
    """Undo every fault that is held. Safe at any time: the cluster is asked even if `held` is empty. If the request
    cannot be recorded, the faults are undone all the same, and then the error is raised.
    """
    healed = tuple(scene.held)
    try:
        for name in healed:
            scene.events.write(HealRequested(fault=name))
    finally:
        evidence = await _undo(scene)
        scene.held.clear()
    for name in healed:
        scene.events.write(HealConfirmed(fault=name, evidence=evidence))


async def _undo(scene: Scene) -> str:
    """Have the cluster undo everything, and return the proof. A FaultError has the commands to do it by hand."""
    try:
        evidence = await scene.cluster.heal()
    except HarnessError as error:
        raise FaultError(f"{error}{scene.journal.by_hand}") from error
    await scene.journal.clear()
    return evidence


def described(target: Member, facts: Facts) -> TargetEntry:
    """Return a target as events name it. The run id distinguishes its process from a later one."""
    said = facts.role(target)
    return {
        "name": target.name,
        "ordinal": target.ordinal,
        "address": target.ip_port,
        "run_id": said.run_id if said else "",
    }
