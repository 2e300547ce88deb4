"""The endpoint controller as the nest holds it: told who is there, heard when it writes a label.

The nest is its API server. What it is and when it acts is in `chaos.cluster.local.controller`.
"""

import json
from typing import Any

from chaos.cluster.local.kubelet import CONTROLLER, Kubelet
from chaos.cluster.local.pod import Pod
from chaos.pipe import packed
from chaos.scenario.model import System


class Labels:
    def __init__(self, system: System, kubelet: Kubelet) -> None:
        self._system = system
        self._kubelet = kubelet
        self._told = ""
        kubelet.hears = self._hear
        kubelet.listeners.append(self._follow)

    def _hear(self, line: bytes) -> None:
        label = json.loads(line)["label"]
        self._kubelet.label(label["pod"], label["role"])

    def _follow(self, _changed: Pod) -> None:
        """Each life of it is told its task first."""
        controller = self._kubelet.pods.get(CONTROLLER)
        if controller is None or controller.process is None or not controller.lives:
            return
        lines = []
        if controller.container != self._told:
            self._told = controller.container
            lines.append(self._task())
        lines.append({"pods": [_known(pod) for pod in self._kubelet.pods.values() if pod is not controller]})
        for line in lines:
            controller.process.tell(packed(line))

    def _task(self) -> dict[str, Any]:
        system, local = self._system, self._system.on_local
        settings = system.settings.model_dump()
        return {
            "mode": local.mode,
            "every_s": local.endpoint.every if local.endpoint else 0.0,
            "master": local.sentinel.master,
            "replicas": system.replicas,
            "sentinels": system.sentinels,
            "quorum": int(settings["sentinel"].get("quorum", system.sentinels // 2 + 1)),
            "settings": settings,
        }


def _known(pod: Pod) -> dict[str, Any]:
    said = pod.event()
    known = {key: getattr(said, key) for key in ("name", "component", "ip", "phase", "deleting", "role")}
    return known | {"port": pod.port}
