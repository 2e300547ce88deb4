"""What each member's process is started with: its configuration, its data, its command."""

import shutil
import sys
from pathlib import Path

from chaos.cluster.local import haproxy
from chaos.cluster.local.config import command, is_template, rebound, redis_conf, sentinel_conf
from chaos.cluster.local.plan import Plan
from chaos.cluster.local.pod import Pod
from chaos.model import MemberKind

CONTROLLER = "chaos.cluster.local.controller"


class Recipes:
    """A member's folder in `home` outlives its process and its replacement, as a volume does.

    A configuration is the member's own from its first start on: what CONFIG REWRITE made of it holds from then on.
    But in mode resync a Redis reads the operator's file at every start, and a Sentinel that is new.
    """

    def __init__(self, plan: Plan, home: Path) -> None:
        self._plan = plan
        self._local = plan.system.on_local
        self._home = home
        self._redis: dict[str, tuple[str, int]] = {}

    def first(self, pod: Pod, master: tuple[str, int] | None) -> None:
        """For the system's own start. `master` is whom to follow or to watch; None: be the master."""
        self.data(pod).mkdir(parents=True)
        if pod.kind is MemberKind.REDIS:
            self._redis[pod.name] = pod.ip_port
        self._write(pod, master)

    def restarted(self, pod: Pod) -> None:
        """For another start in place."""
        if is_template(self._plan.system) and pod.kind is MemberKind.REDIS:
            self._write(pod, None)

    def replaced(self, pod: Pod, master: tuple[str, int]) -> None:
        """For the first start after a member was taken away. `master` is whom to watch where that is not known."""
        lost = self._local.replace.data == "lost"
        if lost:
            shutil.rmtree(self.data(pod))
            self.data(pod).mkdir()
        if is_template(self._plan.system) or (lost and pod.kind is MemberKind.SENTINEL):
            self._write(pod, master)
        elif pod.kind in (MemberKind.REDIS, MemberKind.SENTINEL):
            self._conf(pod).write_text(rebound(self._conf(pod).read_text(), pod.space.address))

    def told(self, pod: Pod, master: tuple[str, int] | None) -> None:
        """For another start of a Redis that asked first: follow `master`, or be it where that is None."""
        self._write(pod, master)

    def command(self, pod: Pod) -> list[str]:
        if pod.kind is MemberKind.OPERATOR:
            return [sys.executable, "-m", CONTROLLER]
        if pod.kind is MemberKind.PROXY:
            assert self._plan.haproxy is not None
            return haproxy.command(self._plan.haproxy, self._conf(pod))
        return command(self._plan.server, self._conf(pod), pod.kind is MemberKind.SENTINEL)

    def data(self, pod: Pod) -> Path:
        """The folder that its process works in."""
        return self._home / pod.name / "data"

    def _conf(self, pod: Pod) -> Path:
        return self._home / pod.name / "server.conf"

    def _write(self, pod: Pod, master: tuple[str, int] | None) -> None:
        system, address, port, data = self._plan.system, pod.space.address, pod.port, self.data(pod)
        if pod.kind is MemberKind.REDIS:
            text = redis_conf(system, address=address, port=port, directory=data, master=master)
            self._conf(pod).write_text(text)
        elif pod.kind is MemberKind.PROXY:
            self._conf(pod).write_text(haproxy.haproxy_conf(system, (address, port), self._redis))
        elif pod.kind is MemberKind.SENTINEL:
            assert master is not None
            text = sentinel_conf(system, address=address, port=port, directory=data, master=master)
            self._conf(pod).write_text(text)
