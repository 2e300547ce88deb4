"""`python -m tests.local.passing PID HOST PORT`: prints when a PING from within the network of a process is answered.

It connects anew for each PING, and prints the stamp on CLOCK_MONOTONIC at which the first one was answered.
"""

import asyncio
import sys

from chaos.clock import mono_ns
from chaos.resp import Resp
from tests.local.console import enter

ANSWER_S, EVERY_S = 0.5, 0.1


async def passed(host: str, port: int) -> int:
    while True:
        try:
            async with Resp.connect(host, port, ANSWER_S) as connection:
                await connection.call("PING")
                return mono_ns()
        except OSError:
            await asyncio.sleep(EVERY_S)


if __name__ == "__main__":
    enter(sys.argv[1])
    sys.stdout.write(str(asyncio.run(passed(sys.argv[2], int(sys.argv[3])))))
