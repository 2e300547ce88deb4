"""The members of a local system as processes on loopback: a port each instead of a namespace each."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.cluster.local.assembly import Address
from chaos.cluster.local.config import command, is_template, redis_conf, sentinel_conf
from chaos.cluster.local.servers import Server
from chaos.scenario import load
from chaos.scenario.scenario import System
from tests.rig import LOOPBACK, free_port


def system_of(scenario: str) -> System:
    return load(scenario).scenario.system


class Processes:
    """One system, started and not assembled. Members are named as in the scenario's documentation: redis-0, …"""

    def __init__(self, server: Server, system: System, directory: Path) -> None:
        self.server, self.system, self.directory = server, system, directory
        self.redis: list[Address] = [(LOOPBACK, free_port()) for _ in range(system.replicas + 1)]
        self.sentinels: list[Address] = [(LOOPBACK, free_port()) for _ in range(system.sentinels)]
        self.popens: dict[str, subprocess.Popen[bytes]] = {}

    def start_redis(self, number: int) -> None:
        """From its own file where it has one already, but for the template, which is written again."""
        address, port = self.redis[number]
        conf = self.folder(f"redis-{number}") / "redis.conf"
        if is_template(self.system) or not conf.exists():
            master = self.redis[0] if number else None
            conf.write_text(redis_conf(self.system, address=address, port=port, directory=conf.parent, master=master))
        self._start(f"redis-{number}", conf, sentinel=False)

    def start_sentinel(self, number: int) -> None:
        address, port = self.sentinels[number]
        conf = self.folder(f"sentinel-{number}") / "sentinel.conf"
        if not conf.exists():
            master = self.redis[0]
            text = sentinel_conf(self.system, address=address, port=port, directory=conf.parent, master=master)
            conf.write_text(text)
        self._start(f"sentinel-{number}", conf, sentinel=True)

    def folder(self, name: str) -> Path:
        folder = self.directory / name
        folder.mkdir(exist_ok=True)
        return folder

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text()

    def kill(self, name: str) -> None:
        self.popens[name].kill()
        self.popens[name].wait(timeout=60)

    def close(self) -> None:
        for name in self.popens:
            self.kill(name)

    def _start(self, name: str, conf: Path, *, sentinel: bool) -> None:
        with (self.directory / f"{name}.log").open("ab") as out:
            self.popens[name] = subprocess.Popen(
                command(self.server, conf, sentinel), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )


@contextmanager
def started(server: Server, system: System, directory: Path) -> Iterator[Processes]:
    """All members at once, in no order, as a platform starts them."""
    processes = Processes(server, system, directory)
    try:
        for number in range(len(processes.redis)):
            processes.start_redis(number)
        for number in range(len(processes.sentinels)):
            processes.start_sentinel(number)
        yield processes
    finally:
        processes.close()
