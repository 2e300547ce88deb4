"""`python -m chaos.cluster.local.controller`: its task on the first line of stdin, then a line of pods at each change.

It answers on stdout with a line for each label that it writes, logs on stderr, and ends at the end of its input.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable

from chaos.cluster.local.controller.board import Board, Spec
from chaos.cluster.local.controller.poll import poll
from chaos.cluster.local.controller.resync import resync
from chaos.cluster.local.controller.switched import follow_sentinels

LINE_BYTES = 1 << 20

Mode = Callable[[Spec, Board], Awaitable[None]]
MODES: dict[str, Mode] = {"sentinel": follow_sentinels, "poll": poll, "resync": resync}


async def run(lines: asyncio.StreamReader, board: Board) -> None:
    spec = Spec.from_json(await lines.readline())
    board.note("info", f"mode {spec.mode}, every {spec.every_s:g} s, {spec.master}")
    async with asyncio.TaskGroup() as group:
        working = group.create_task(_work(spec, board))
        async for line in lines:
            board.shown(line)
        working.cancel()


async def _work(spec: Spec, board: Board) -> None:
    await board.changed()
    await MODES[spec.mode](spec, board)


async def main() -> None:
    lines = asyncio.StreamReader(limit=LINE_BYTES)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    await run(lines, Board(sys.stdout, sys.stderr))


if __name__ == "__main__":
    asyncio.run(main())
