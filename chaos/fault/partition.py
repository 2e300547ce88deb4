"""A cut between the target and every other Redis, every Sentinel and the operator, in both directions.

Clients, and a proxy that they go through, still reach the target, on either side: what they are told by a master that
was replaced is the point of it.
Established connections fall silent and are not reset. The cut is a lease of `longest_s`, whatever becomes of us.
"""

from chaos.cluster.base import Ability, Effect, Partition
from chaos.fault.scene import Fault, Scene, others
from chaos.model import Member


async def partition(scene: Scene, target: Member, *, longest_s: float) -> Effect:
    peers = others(target, await scene.cluster.members())
    return await scene.cluster.cut(Partition(member=target, peers=peers, longest_s=longest_s))


FAULT = Fault(apply=partition, needs=frozenset({Ability.CUT}), lasting=True)
