"""Applies a fault and writes what became of it: requested, accepted, effect, confirmed or unproved; and heals.

The system's reaction is not looked at here. A fault whose proof does not come is written as unproved and raises
nothing: the analysis calls that trial inconclusive. Only the harness's own failing is raised.
"""

from typing import Any

from chaos.clock import HOST
from chaos.cluster.base import Effect
from chaos.errors import HarnessError
from chaos.fault.registry import FAULTS
from chaos.fault.scene import Scene
from chaos.fault.target import described
from chaos.model import Member
from chaos.record.events import (
    FaultAccepted,
    FaultConfirmed,
    FaultEffect,
    FaultRequested,
    FaultUnproved,
    HealConfirmed,
    HealRequested,
)


async def inject(scene: Scene, name: str, target: Member | None, arguments: dict[str, Any]) -> Effect:
    """Apply the fault `name`, and return its effect once it is proved or the proof is given up on."""
    named = described(target, scene.facts) if target else None
    origin = arguments.get("origin")
    said = {key: value for key, value in arguments.items() if key != "origin"}
    scene.events.write(FaultRequested(fault=name, target=named, arguments=said, origin=origin))
    effect = await _apply(scene, name, target, arguments)
    _write_effect(scene, name, effect)
    return effect


async def heal(scene: Scene) -> None:
    """Undo whatever is held; safe at any time, and asks the cluster even where we know of nothing to undo.

    Where it cannot be recorded it is undone all the same, and then raised.
    """
    healed = tuple(scene.held)
    try:
        for name in healed:
            scene.events.write(HealRequested(fault=name))
    finally:
        await scene.cluster.heal()
        scene.held.clear()
    for name in healed:
        scene.events.write(HealConfirmed(fault=name))


async def _apply(scene: Scene, name: str, target: Member | None, arguments: dict[str, Any]) -> Effect:
    if FAULTS[name].lasting:
        scene.held.append(name)
    try:
        return await FAULTS[name].apply(scene, target, **arguments)
    except HarnessError as error:
        scene.events.write(FaultUnproved(fault=name, evidence=f"not known to have been applied: {error}"))
        raise


def _write_effect(scene: Scene, name: str, effect: Effect) -> None:
    write = scene.events.write
    write(FaultAccepted(fault=name), domain=HOST, at_ns=effect.accepted_ns)
    write(FaultEffect(fault=name), domain=effect.domain, at_ns=effect.latest_ns, since_ns=effect.earliest_ns)
    if effect.confirmed_ns is None:
        write(FaultUnproved(fault=name, evidence=effect.evidence), domain=HOST)
    else:
        write(FaultConfirmed(fault=name, evidence=effect.evidence), domain=HOST, at_ns=effect.confirmed_ns)
