"""Applies a fault and writes what became of it: requested, accepted, effect, confirmed or unproved; and heals.

The system's reaction is not looked at here. A fault whose proof does not come is written as unproved and raises
nothing: the analysis calls that trial inconclusive. Only the harness's own failing is raised.
"""

from typing import Any

from chaos.clock import HOST, mono_ns
from chaos.cluster.base import Effect
from chaos.errors import HarnessError
from chaos.fault.registry import FAULTS
from chaos.fault.scene import Scene
from chaos.fault.target import described
from chaos.model import Event, Member


async def inject(scene: Scene, name: str, target: Member | None, arguments: dict[str, Any]) -> Effect:
    """Apply the fault `name`, and return its effect once it is proved or the proof is given up on."""
    named = described(target, scene.facts) if target else None
    scene.events.write("fault.requested", fault=name, target=named, arguments=arguments)
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
            scene.events.write("fault.heal_requested", fault=name)
    finally:
        await scene.cluster.heal()
        scene.held.clear()
    for name in healed:
        scene.events.write("fault.heal_confirmed", fault=name)


async def _apply(scene: Scene, name: str, target: Member | None, arguments: dict[str, Any]) -> Effect:
    if FAULTS[name].lasting:
        scene.held.append(name)
    try:
        return await FAULTS[name].apply(scene, target, **arguments)
    except HarnessError as error:
        scene.events.write("fault.unproved", fault=name, evidence=f"not known to have been applied: {error}")
        raise


def _write_effect(scene: Scene, name: str, effect: Effect) -> None:
    put, fields = scene.events.put, {"fault": name}
    put(Event(kind="fault.accepted", domain=HOST, at_ns=effect.accepted_ns, fields=fields))
    edges = {"at_ns": effect.latest_ns, "since_ns": effect.earliest_ns}
    put(Event(kind="fault.effect", domain=effect.domain, **edges, fields=fields))
    proof = fields | {"evidence": effect.evidence}
    if effect.confirmed_ns is None:
        put(Event(kind="fault.unproved", domain=HOST, at_ns=mono_ns(), fields=proof))
    else:
        put(Event(kind="fault.confirmed", domain=HOST, at_ns=effect.confirmed_ns, fields=proof))
