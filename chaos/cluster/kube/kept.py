"""One kind of object, kept as the API server has it: a list, then a watch, then a list again, for ever.

A fact of a watch is an interval: from the last time that the old state was seen to its arrival. Watches are silent
while nothing changes, so a list every `resync_s`, from the server's own cache, says that nothing did. Each list and
each arrival is compared with what is kept: what comes late through one way has come through the other.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass

from kubernetes import client

from chaos.clock import HOST, mono_ns
from chaos.cluster.kube.api import ApiError, Object
from chaos.cluster.kube.lines import Lines
from chaos.record.events import Event, Gap, Stamped

WATCH_S = 30
"""The server ends a watch after this long; then everything is listed again."""
SILENT_S, LIST_S = WATCH_S + 10.0, 5.0
RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class Seen:
    """An object that is new, changed or gone. `since_ns` None: it was there when we first looked."""

    object: Object
    gone: bool
    at_ns: int
    since_ns: int | None


@dataclass(frozen=True, slots=True)
class Source:
    """What is kept: a collection's path, a selector, and how often it is listed beside its watch (0: never)."""

    name: str
    path: str
    selector: str = ""
    resync_s: float = 0.0


class Kept:
    """Two threads: one follows, one lists. `see` is called for every change, in order, by one of them at a time."""

    def __init__(
        self, api: client.ApiClient, source: Source, see: Callable[[Seen], None], put: Callable[[Stamped[Event]], None]
    ) -> None:
        self._api = api
        self._source = source
        self._see = see
        self._put = put
        self._query = {"labelSelector": source.selector} if source.selector else {}
        self._lock = threading.Lock()
        self._objects: dict[str, Object] = {}
        self._version = 0
        self._true_ns: int | None = None
        self._broken = ""
        self._heard_ns = self._gap_ns = mono_ns()
        self._ended = threading.Event()
        self._watch: Lines | None = None
        self._threads = [threading.Thread(target=self._follow_for_ever, name=f"watch-{source.name}", daemon=True)]
        if source.resync_s:
            resyncing = threading.Thread(target=self._resync_for_ever, name=f"list-{source.name}", daemon=True)
            self._threads.append(resyncing)

    def start(self) -> None:
        """Raises ApiError when the first list fails: then nothing is begun."""
        self.list()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ended.set()
        watch = self._watch
        if watch is not None:
            watch.end()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(LIST_S)

    def list(self) -> None:
        """Ask for everything, from the server's cache. What an older view says is ignored."""
        asked_ns = mono_ns()
        with Lines(self._api, self._source.path, LIST_S, resourceVersion="0", **self._query) as lines:
            found = json.loads(b"\n".join(lines))
        with self._lock:
            version = int(found["metadata"]["resourceVersion"])
            if version < self._version:
                return
            objects = {one["metadata"]["uid"]: one for one in found["items"]}
            for uid in self._objects.keys() - objects.keys():
                self._change(self._objects[uid], gone=True)
            for one in objects.values():
                self._change(one, gone=False)
            self._version, self._true_ns, self._heard_ns = version, asked_ns, mono_ns()
            self._mended()

    def follow(self) -> None:
        """One watch, from the last list until the server ends it. Raises ApiError when it broke off."""
        query = {"watch": "true", "resourceVersion": str(self._version), "timeoutSeconds": str(WATCH_S)}
        with Lines(self._api, self._source.path, SILENT_S, **query, **self._query) as lines:
            self._watch = lines
            if not self._ended.is_set():  # else nobody was told to end this one
                for line in lines:
                    self._arrived(json.loads(line))

    def _arrived(self, message: Object) -> None:
        one = message["object"]
        if message["type"] == "ERROR":
            raise ApiError(f"watch of {self._source.name}: {one.get('message')}", one.get("code", 0))
        with self._lock:
            self._heard_ns = mono_ns()
            version = int(one["metadata"]["resourceVersion"])
            if version > self._version:
                self._change(one, gone=message["type"] == "DELETED")
                self._version = version

    def _change(self, one: Object, *, gone: bool) -> None:
        """Tell of an object unless it is kept as it is."""
        uid, version = one["metadata"]["uid"], one["metadata"]["resourceVersion"]
        known = self._objects.get(uid)
        if gone:
            self._objects.pop(uid, None)
        elif known is not None and known["metadata"]["resourceVersion"] == version:
            return
        else:
            self._objects[uid] = one
        self._see(Seen(one, gone, mono_ns(), self._true_ns))

    def _follow_for_ever(self) -> None:
        while not self._ended.is_set():
            try:
                self.follow()
                self.list()
            except ApiError as error:
                self._broke(error)
                self._ended.wait(RETRY_S)
                self._listed_again()

    def _listed_again(self) -> None:
        """After a break what happened meanwhile is only in a list; without one the next round tries again."""
        try:
            if not self._ended.is_set():
                self.list()
        except ApiError as error:
            self._broke(error)

    def _resync_for_ever(self) -> None:
        while not self._ended.wait(self._source.resync_s):
            try:
                self.list()
            except ApiError as error:
                self._broke(error)

    def _broke(self, error: ApiError) -> None:
        with self._lock:
            if not self._broken:
                self._broken, self._gap_ns = str(error), self._heard_ns

    def _mended(self) -> None:
        """The first good list after a break ends the gap, which began when the server was last heard."""
        if self._broken and not self._ended.is_set():
            gap = Gap(source=f"watch {self._source.name}", text=self._broken)
            self._put(Stamped(event=gap, domain=HOST, at_ns=mono_ns(), since_ns=self._gap_ns))
        self._broken = ""
