"""The listener: moves the label as soon as any Sentinel publishes that it has switched.

Each Sentinel publishes its own events only, and whoever was not subscribed missed them. So all are listened to, and at
every subscription all are asked; one that has been cut off then answers with an old epoch and is outvoted.
"""

import asyncio
from contextlib import suppress

from hiredis import ReplyError

from chaos.cluster.local.controller.asking import REPLY_S, named_by, sentinels
from chaos.cluster.local.controller.board import Address, Board, Spec
from chaos.cluster.local.controller.labels import moving, newest
from chaos.observe.watch import Pace
from chaos.resp import Resp

SWITCH, MONITOR = "+switch-master", "+monitor"
"""MONITOR is published once a Sentinel is told of a master, as it may be after it was asked for one."""
RETRY_S = 0.1


async def follow_sentinels(spec: Spec, board: Board) -> None:
    """Listen to the Sentinels that there are, whichever these are. Without end."""
    async with asyncio.TaskGroup() as group:
        listener = Listener(spec, board, group)
        listening: dict[Address, asyncio.Task[None]] = {}
        while True:
            wanted = {pod.address for pod in sentinels(board.pods)}
            for address in listening.keys() - wanted:
                listening.pop(address).cancel()
            for address in wanted - listening.keys():
                listening[address] = group.create_task(listener.listen(address))
            listener.move()
            await board.changed()


class Listener:
    """Whom the Sentinels named last, and the label that follows."""

    def __init__(self, spec: Spec, board: Board, group: asyncio.TaskGroup) -> None:
        self._spec = spec
        self._board = board
        self._group = group
        self._master: Address | None = None
        self._switches = 0

    async def listen(self, sentinel: Address) -> None:
        """To one Sentinel, again and again, until cancelled."""
        pace = Pace(RETRY_S)
        while True:
            with suppress(OSError):  # whoever was subscribed has said so
                await self._hear(sentinel)
            await pace.beat()

    def move(self) -> None:
        """Bring the label to where the master is; its pod may have come later than the word."""
        if self._master:
            for label in moving(self._master, self._board.pods):
                self._board.label(label)

    async def _hear(self, sentinel: Address) -> None:
        async with Resp.connect(*sentinel, REPLY_S) as connection:
            reply = await connection.psubscribe(SWITCH, MONITOR)
            if isinstance(reply, ReplyError):
                raise ConnectionError(f"PSUBSCRIBE: {reply}")
            self._board.note("info", f"subscribed to {sentinel[0]}:{sentinel[1]}")
            self._group.create_task(self._ask())
            try:
                async for message in connection.messages():
                    if message.channel == SWITCH:
                        self._switched(message.payload)
                    else:
                        self._group.create_task(self._ask())
            except OSError as error:
                self._board.note("warning", f"no longer subscribed to {sentinel[0]}:{sentinel[1]}: {error!r}")
                raise

    def _switched(self, payload: str) -> None:
        """`NAME OLD-ADDRESS OLD-PORT NEW-ADDRESS NEW-PORT`."""
        name, _, _, address, port = payload.split()
        if name == self._spec.master:
            self._switches += 1
            self._master = (address, int(port))
            self.move()

    async def _ask(self) -> None:
        """Ask all. A switch that was heard of while they answered is newer than their answers."""
        switches = self._switches
        asked = sentinels(self._board.pods)
        master = newest(await asyncio.gather(*(named_by(pod.address, self._spec.master) for pod in asked)))
        if master and switches == self._switches:
            self._master = master
            self.move()
