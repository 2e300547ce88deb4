"""`python -m tests.local.console PID HOST PORT`: talks to a server from within the namespaces of a process.

On standard input a list of [seconds to wait before, command]; on standard output a list of what became of each.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from chaos.clock import mono_ns
from chaos.linux import CLONE_NEWNET, CLONE_NEWUSER, setns
from chaos.resp import Resp

ANSWER_S = 20.0


def enter(pid: str) -> None:
    """Its user namespace first, where it has one of its own: that is what lets us into the other."""
    for kind, name in ((CLONE_NEWUSER, "user"), (CLONE_NEWNET, "net")):
        theirs, ours = Path(f"/proc/{pid}/ns/{name}"), Path(f"/proc/self/ns/{name}")
        if not theirs.samefile(ours):
            namespace = os.open(theirs, os.O_RDONLY)
            setns(namespace, kind)
            os.close(namespace)


async def talk(host: str, port: int, script: list[tuple[float, list[str]]]) -> list[dict[str, Any]]:
    said = []
    async with Resp.connect(host, port, ANSWER_S) as connection:
        for wait_s, command in script:
            await asyncio.sleep(wait_s)
            before_ns = mono_ns()
            reply = await connection.call(*command)
            said.append({"before_ns": before_ns, "after_ns": mono_ns(), "reply": reply})
    return said


if __name__ == "__main__":
    enter(sys.argv[1])
    sys.stdout.write(json.dumps(asyncio.run(talk(sys.argv[2], int(sys.argv[3]), json.load(sys.stdin)))))
