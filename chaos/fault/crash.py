"""SIGKILL: the process ends with no last word, and its peers see connections reset.

With `replace` the pod is deleted with grace 0 right after, before the kubelet restarts the process, so that it comes
back under its name with a new address. Without, it is restarted in place: what an OOM kill does.
"""

from chaos.cluster.base import Ability, Effect, Stop
from chaos.fault.scene import Fault, Scene
from chaos.model import Member


async def crash(scene: Scene, target: Member, *, replace: bool) -> Effect:
    return await scene.cluster.stop(target, Stop.CRASH if replace else Stop.KILL)


FAULT = Fault(apply=crash, needs=frozenset({Ability.KILL, Ability.DELETE}))
