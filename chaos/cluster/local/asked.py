"""Whom a Redis follows that asks Sentinel before it starts, as the scripts of scenarios/statefulset do.

What a file said last would be wrong for a member that comes back: a former master would be one again, beside the new
one, until Sentinel turns it into a replica; and at another address Sentinel would never know it.
"""

import asyncio
from collections.abc import Sequence

from chaos.cluster.local.controller.asking import named_by
from chaos.cluster.local.controller.labels import newest
from chaos.resp import Resp, password_from_environment

AGAIN_S, REPLY_S = 0.5, 1.0
Address = tuple[str, int]


async def master_for(own: Address, sentinels: Sequence[Address], name: str) -> Address:
    """The master that Sentinel names, once that one answers as a master; `own` where it was not missed yet.

    Waits as long as it takes, as the scripts do: to follow an address where nobody is would be wrong for good.
    """
    while True:
        master = newest([await named_by(one, name) for one in sentinels])
        if master is not None and (master == own or await _is_master(master)):
            return master
        await asyncio.sleep(AGAIN_S)


async def _is_master(address: Address) -> bool:
    try:
        async with Resp.connect(*address, REPLY_S, password_from_environment()) as connection:
            role = await connection.call("ROLE")
    except OSError:
        return False
    return isinstance(role, list) and role[0] == "master"
