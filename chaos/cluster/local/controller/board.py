"""What the controller is told and what it says: its task, the pods as its API server has them, labels, its log."""

import asyncio
import json
import time
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, TextIO

from chaos.clock import wall_ns

Address = tuple[str, int]
Role = Literal["master", "slave"]
NAMESPACE, LABEL = "local", "role"


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """The first line of the input. `replicas` follow the master: there are as many Redis and one more."""

    mode: str
    every_s: float
    master: str
    replicas: int
    sentinels: int
    quorum: int
    settings: dict[str, dict[str, str | int]]

    @classmethod
    def from_json(cls, line: bytes) -> Self:
        return cls(**json.loads(line))


@dataclass(frozen=True, kw_only=True, slots=True)
class Pod:
    """One member. `role` is its label, which need not be what it does."""

    name: str
    component: Literal["redis", "sentinel"]
    ip: str
    port: int
    phase: Literal["Running", "Pending"] = "Running"
    deleting: bool = False
    role: Role | None = None

    @property
    def address(self) -> Address:
        return self.ip, self.port

    @property
    def at_work(self) -> bool:
        return self.phase == "Running" and not self.deleting


@dataclass(frozen=True, slots=True)
class Label:
    pod: str
    role: Role


class Board:
    """The API server as it is seen from here: pods come by one pipe, labels go by another."""

    def __init__(self, out: TextIO, log: TextIO) -> None:
        self.pods: tuple[Pod, ...] = ()
        """In the order of their names, as the API server lists them."""
        self._written: dict[str, Pod] = {}
        self._out = out
        self._log = log
        self._change = asyncio.Event()

    def shown(self, line: bytes) -> None:
        """The pods as they are now."""
        pods = [self._as_written(Pod(**pod)) for pod in json.loads(line)["pods"]]
        self.pods = tuple(sorted(pods, key=lambda pod: pod.name))
        self._change.set()

    async def changed(self) -> None:
        """Return after the next line of pods, or at once where one has come since this was last waited for."""
        await self._change.wait()
        self._change.clear()

    def label(self, label: Label) -> None:
        labels = f"map[{LABEL}:{label.role}]"
        self.note("info", f"Update pod label, namespace: {NAMESPACE}, pod name: {label.pod}, labels: {labels}")
        self._say({"label": {"pod": label.pod, "role": label.role}})
        self._written.update({pod.name: replace(pod, role=label.role) for pod in self.pods if pod.name == label.pod})
        self.pods = tuple(self._as_written(pod) for pod in self.pods)

    def _as_written(self, pod: Pod) -> Pod:
        """With the label that was written, as long as all else is as it was and the API server may not know it yet."""
        written = self._written.get(pod.name, pod)
        if replace(pod, role=written.role) == written != pod:
            return written
        self._written.pop(pod.name, None)
        return pod

    def note(self, level: str, text: str) -> None:
        """A line of the log, with the kubelet's stamp and in the operator's form, as the analysis reads it."""
        seconds, rest_ns = divmod(wall_ns(), 10**9)
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        print(f"{stamp}.{rest_ns:09d}Z level={level} msg={json.dumps(text)}", file=self._log, flush=True)

    def _say(self, message: dict[str, Any]) -> None:
        print(json.dumps(message), file=self._out, flush=True)
