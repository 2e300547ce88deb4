"""Write the logs of the system's containers to files. The kubelet's time stamp stays at the start of each line.

A pod has one file, even if its container is restarted. Lines are not parsed. Their stamps are on the node's clock.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kubernetes import client

from chaos.clock import HOST, mono_ns, node_domain
from chaos.cluster.kube.api import ApiError
from chaos.cluster.kube.follow import Silent, StreamedLines
from chaos.record.events import Event, Gap, LogClosed, LogOpened, Stamped

SILENT_S = 60.0
"""After this many seconds without a line, the log is opened again where it stopped. Many logs are silent for longer."""
REST_S = 5.0
RETRY_S = 0.5
BEFORE_S = 1
"""How many seconds of the past are read from a container that ran before we came."""
NOT_THERE = frozenset({400, 404})
"""The API's status codes for a container that has not started, or whose log is gone with its pod."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The container that a log comes from."""

    namespace: str
    pod: str
    uid: str
    component: str
    container: str
    node: str

    @property
    def file(self) -> str:
        return f"{self.component}-{self.pod}-{self.uid[:8]}.log"


class PodLog:
    """Follows one pod's log in a thread, over restarts and breaks, until the pod is gone or `stop` is called."""

    def __init__(
        self, api: client.ApiClient, origin: Origin, directory: Path, put: Callable[[Stamped[Event]], None]
    ) -> None:
        self._api = api
        self._origin = origin
        self._path = directory / origin.file
        self._put = put
        self._stamp = b""
        self._since: dict[str, str] = {}
        self._restarts = self._followed = 0
        self._broken, self._broken_ns = "", 0
        self._changed = threading.Event()
        self._last = self._stopped = False
        self._lines: StreamedLines | None = None
        self._thread = threading.Thread(target=self._run, name=f"log-{origin.pod}", daemon=True)

    def start(self, *, restarts: int, ran_before: bool) -> None:
        self._restarts = self._followed = restarts
        if ran_before:
            self._since = {"sinceSeconds": str(BEFORE_S)}
        self._thread.start()

    def restarted(self, restarts: int) -> None:
        """Note the restart count that the watch reports. If it has grown, the pod has a new container."""
        if restarts > self._restarts:
            self._restarts = restarts
            self._changed.set()

    def gone(self) -> None:
        """Note that the pod was deleted. Its container may still be writing, so the stream is left to end by itself."""
        self._last = True
        self._changed.set()

    def stop(self) -> None:
        self._stopped = True
        self.gone()
        lines = self._lines
        if lines is not None:
            lines.end()
        self._thread.join(REST_S)

    def _run(self) -> None:
        self._say(LogOpened)
        with self._path.open("ab", buffering=0) as file:
            while self._round(file.write) or not self._last:
                self._changed.wait(RETRY_S)
                self._changed.clear()
        if self._broken:
            self._mended()
        self._say(LogClosed)

    def _round(self, write: Callable[[bytes], object]) -> bool:
        """Follow the log until the stream ends. Return whether lines may still come although the pod is gone."""
        try:
            self._follow(write)
        except Silent:
            return True
        except ApiError as error:
            if error.status not in NOT_THERE and not self._broken:
                self._broken, self._broken_ns = str(error), mono_ns()
            return False
        if self._broken:
            self._mended()
        return False

    def _follow(self, write: Callable[[bytes], object]) -> None:
        """Read the rest of the previous container's log, if the container was restarted, and then the present one's."""
        if self._followed < self._restarts:
            self._followed, self._since = self._restarts, {}
            try:
                self._copy(write, REST_S, {"previous": "true"})
            except ApiError as error:
                if error.status not in NOT_THERE:
                    raise
        self._copy(write, SILENT_S, {"follow": "true"})

    def _copy(self, write: Callable[[bytes], object], silent_s: float, how: dict[str, str]) -> None:
        """Append the lines that are later than the last one in the file."""
        origin, known = self._origin, self._stamp
        since = {"sinceTime": known.decode()} if known else self._since
        path = f"/api/v1/namespaces/{origin.namespace}/pods/{origin.pod}/log"
        with StreamedLines(
            self._api, path, silent_s, container=origin.container, timestamps="true", **how, **since
        ) as lines:
            self._lines = lines
            if self._stopped:
                return
            for line in lines:
                stamp = line.partition(b" ")[0]
                if stamp > known:
                    write(line + b"\n")
                    self._stamp = stamp

    def _say(self, kind: type[LogOpened | LogClosed]) -> None:
        """Write an event about the log, on the clock of the log's stamps, which is the node's."""
        origin = self._origin
        event = kind(
            file=origin.file,
            component=origin.component,
            pod=origin.pod,
            uid=origin.uid,
            container=origin.container,
        )
        self._put(Stamped(event=event, domain=node_domain(origin.node), at_ns=mono_ns()))

    def _mended(self) -> None:
        """Write the gap that ends now. Lines written meanwhile have been read, unless the log is gone with its pod."""
        gap = Gap(source=f"log {self._origin.file}", text=self._broken)
        self._put(Stamped(event=gap, domain=HOST, at_ns=mono_ns(), since_ns=self._broken_ns))
        self._broken = ""
