"""Activities of experiments that do to the members what the harness is not told of."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from chaos.cluster.health import master
from chaos.experiment.session import current
from chaos.model import Member, MemberKind
from tests.kind.front import children
from tests.local.console import ANSWER_S
from tests.spinning import CORE, spinning

FIRST_CLIENT = "0"
SPINNERS = 4
LAST = 19
"""The niceness of whoever is to come last."""
GROUP_EVERY_S = 0.15
"""From an ordinary user the kernel takes one change of a group's niceness in 0.1 s (autogroup.c) and refuses others."""
BLOCK = 4096
SERVER = re.compile(r":\d+(\0| |$)")
"""In the title of a server: where it listens."""
Script = list[tuple[float, list[str]]]


def delete_writes(count: int) -> list[str]:
    """Delete so many writes of the first client, the newest but for three that may be under way; their keys."""
    [found] = _told([(0, ["KEYS", "failover:*"])])
    numbered = {int(key.split(":")[-1]): key for key in found["reply"] if key.split(":")[-2] == FIRST_CLIENT}
    keys = [numbered[number] for number in sorted(numbered)[-count - 3 : -3]]
    _told([(0, ["DEL", *keys])])
    return keys


def fill(directory: str) -> int:
    """Leave no byte free on a file system; how many were."""
    filled = 0
    with (Path(directory) / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filled += filler.write(bytes(BLOCK))
    return filled


def crowd(seconds: float) -> None:
    """For so long, leave the members next to nothing of the one core that they are put on; the agent has the others.

    The kernel may make a group of the scheduler's own of each session, and each member has a session of its own. Then
    the niceness of the group decides, and that of the process only within it, so both are set.
    """
    [nest] = children(os.getpid())
    servers = _servers(nest)
    for pid in servers:
        os.sched_setaffinity(pid, {CORE})
        os.setpriority(os.PRIO_PROCESS, pid, LAST)
        _nice_group(pid, LAST)
    with spinning(SPINNERS):
        time.sleep(seconds)
    for pid in servers:
        _nice_group(pid, 0)


def _nice_group(pid: int, level: int) -> None:
    """Set the niceness of the scheduler's group that this process is in, where the kernel makes such groups."""
    group = Path(f"/proc/{pid}/autogroup")
    if group.exists():
        time.sleep(GROUP_EVERY_S)
        group.write_text(str(level))


def pause_writes(seconds: float) -> list[dict[str, Any]]:
    """Let no write through for so long; when each of the two commands was sent and answered."""
    return _told([(0, ["CLIENT", "PAUSE", "60000", "WRITE"]), (seconds, ["CLIENT", "UNPAUSE"])])


def _told(script: Script, member: Member | None = None) -> list[dict[str, Any]]:
    """To the master, or to that member, from within its namespaces by a process of its own: there is no other way."""
    chosen = member or master(current().scene.facts)
    assert chosen is not None
    command = [sys.executable, "-m", "tests.local.console", str(_pid(chosen.ip_port)), chosen.address, str(chosen.port)]
    limit_s = ANSWER_S * len(script) + sum(wait_s for wait_s, _ in script)
    done = subprocess.run(
        command, input=json.dumps(script), capture_output=True, text=True, timeout=limit_s, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    said: list[dict[str, Any]] = json.loads(done.stdout)
    return said


def _pid(ip_port: str) -> int:
    """Of the server at this address: a child of the nest, which is a child of this worker. It says so by its title."""
    for nest in children(os.getpid()):
        for pid in _servers(nest):
            if ip_port in Path(f"/proc/{pid}/cmdline").read_text():
                return pid
    raise RuntimeError(f"no process is at {ip_port}")


def _servers(nest: int) -> list[int]:
    return [pid for pid in children(nest) if SERVER.search(Path(f"/proc/{pid}/cmdline").read_text())]


def pause_sentinels(names: list[str], seconds: float) -> None:
    """Stop these Sentinels for so long: their timers come that much later, which they take for a clock that jumped."""
    found = current().scene.facts.members
    pids = [_pid(found[name].ip_port) for name in names]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def reset_sentinels() -> list[dict[str, Any]]:
    """Have every Sentinel forget the replicas and the other Sentinels that it knows."""
    sentinels = current().scene.facts.of(MemberKind.SENTINEL)
    return [said for one in sentinels for said in _told([(0, ["SENTINEL", "RESET", "*"])], one)]
