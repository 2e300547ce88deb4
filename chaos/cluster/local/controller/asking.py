"""Asking a Sentinel who the master is, for the modes that take its word."""

from collections.abc import Sequence

from hiredis import ReplyError

from chaos.cluster.local.controller.board import Address, Pod
from chaos.cluster.local.controller.labels import Word
from chaos.observe.watch import pairs
from chaos.resp import Resp

REPLY_S = 1.0


async def named_by(sentinel: Address, name: str) -> Word | None:
    """Its word; None where it does not answer, or knows no master of this name.

    SENTINEL MASTER has the epoch, but on the leader of a failover names the new master seconds later.
    """
    try:
        async with Resp.connect(*sentinel, REPLY_S) as connection:
            state = await connection.call("SENTINEL", "MASTER", name)
            address = await connection.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
    except OSError:
        return None
    if isinstance(state, ReplyError) or not address:
        return None
    return Word(int(pairs(state)["config-epoch"]), (address[0], int(address[1])))


def sentinels(pods: Sequence[Pod]) -> list[Pod]:
    return [pod for pod in pods if pod.component == "sentinel" and pod.at_work]
