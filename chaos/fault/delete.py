"""A graceful delete, as a drain or a rollout does it: the pod's preStop runs, and a master hands over."""

from chaos.cluster.base import Ability, Effect, Stop
from chaos.fault.scene import Fault, Scene
from chaos.model import Member


async def delete(scene: Scene, target: Member) -> Effect:
    return await scene.cluster.stop(target, Stop.DELETE)


FAULT = Fault(apply=delete, needs=frozenset({Ability.DELETE}))
