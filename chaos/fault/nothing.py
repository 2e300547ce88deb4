"""The control: t = 0 without a fault, so that a measurement that invents outages is caught."""

from chaos.cluster.base import Effect
from chaos.fault.scene import Fault, Scene, untouched


async def nothing(scene: Scene, _target: None) -> Effect:
    return untouched(f"nothing was done to {scene.cluster.name}")


FAULT = Fault(apply=nothing, needs=frozenset(), aimed=False)
