"""Read unending answers of the API server: single lines, and a collection of objects that a watch keeps current.

A collection is listed, watched until the server ends the watch, and listed again. A change is known as an interval,
from when the old state was last confirmed to when the change arrived. A watch is silent while nothing changes, so a
list every `relist_s` seconds, served from the server's cache, confirms the present state. Lists and watch events may
overtake each other, so each is compared with the present state.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

import urllib3.exceptions
from kubernetes import client
from urllib3 import BaseHTTPResponse

from chaos.clock import mono_ns
from chaos.cluster.kube.api import CONNECT_S, ApiError, Object
from chaos.record.events import Event, Stamped, gap_event

CHUNK = 1 << 16
WATCH_S = 30
"""The server ends a watch after this many seconds. Then everything is listed again."""
SILENT_S, LIST_S = WATCH_S + 10.0, 5.0
RETRY_S = 0.5


class Silent(ApiError):
    """Nothing came for the agreed time. The connection may still be good."""


class StreamedLines:
    """An unending answer of the API server: a watch or a followed log. One thread reads it; another may end it. Raises
    ApiError if the server refuses or breaks off, and Silent if nothing comes for `silent_s` seconds.
    """

    def __init__(self, api: client.ApiClient, path: str, silent_s: float, **query: str) -> None:
        request = api.param_serialize(
            "GET",
            path,
            query_params=list(query.items()),
            header_params={"Accept": "*/*"},
            auth_settings=["BearerToken"],
        )
        self._ended = False
        try:
            answer = api.call_api(*request, _request_timeout=(CONNECT_S, silent_s))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ApiError(f"{path}: {error}") from error
        self._response: BaseHTTPResponse = answer.response
        if answer.status != 200:
            text = self._response.read().decode(errors="replace")
            raise ApiError(f"{path}: {answer.status}: {text[:200]}", answer.status)

    def __iter__(self) -> Iterator[bytes]:
        """Yield whole lines as they arrive, without line ends. A line that breaks off is dropped."""
        rest = b""
        try:
            for chunk in self._response.stream(CHUNK, decode_content=False):
                *lines, rest = (rest + chunk).split(b"\n")
                yield from lines
        except urllib3.exceptions.ReadTimeoutError as error:
            raise Silent(f"the stream is silent: {error}") from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if self._ended:
                return
            raise ApiError(f"the stream broke off: {error}") from error
        if rest:
            yield rest

    def end(self) -> None:
        """End the answer, from another thread. The reader sees a normal end."""
        self._ended = True
        with suppress(RuntimeError, ValueError, OSError):  # it has ended by itself
            self._response.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._response.close()


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """An object that is new, changed or gone. `since_ns` is None if the object existed when we first looked."""

    object: Object
    gone: bool
    at_ns: int
    since_ns: int | None


@dataclass(frozen=True, slots=True)
class Collection:
    """The path and the selector of a collection to follow, and how often to list it besides its watch (0: never)."""

    name: str
    path: str
    selector: str = ""
    relist_s: float = 0.0


class Followed:
    """Follows a collection in two threads: one watches, one lists. Calls `see` for every change, in order."""

    def __init__(
        self,
        api: client.ApiClient,
        source: Collection,
        see: Callable[[ObjectChange], None],
        put: Callable[[Stamped[Event]], None],
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
        self._watch: StreamedLines | None = None
        self._threads = [threading.Thread(target=self._follow_for_ever, name=f"watch-{source.name}", daemon=True)]
        if source.relist_s:
            relisting = threading.Thread(target=self._relist_for_ever, name=f"list-{source.name}", daemon=True)
            self._threads.append(relisting)

    def start(self) -> None:
        """Start following. Raises ApiError if the first list fails; then no thread was started."""
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
        """List everything, from the server's cache. An answer that is older than the known state is ignored."""
        asked_ns = mono_ns()
        with StreamedLines(self._api, self._source.path, LIST_S, resourceVersion="0", **self._query) as lines:
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
        """Watch from the last list until the server ends the watch. Raises ApiError if the watch breaks off."""
        query = {"watch": "true", "resourceVersion": str(self._version), "timeoutSeconds": str(WATCH_S)}
        with StreamedLines(self._api, self._source.path, SILENT_S, **query, **self._query) as lines:
            self._watch = lines
            if not self._ended.is_set():  # otherwise `stop` did not see this watch and cannot end it
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
        """Report a change of an object, unless its version is known already."""
        uid, version = one["metadata"]["uid"], one["metadata"]["resourceVersion"]
        known = self._objects.get(uid)
        if gone:
            self._objects.pop(uid, None)
        elif known is not None and known["metadata"]["resourceVersion"] == version:
            return
        else:
            self._objects[uid] = one
        self._see(ObjectChange(one, gone, mono_ns(), self._true_ns))

    def _follow_for_ever(self) -> None:
        while not self._ended.is_set():
            try:
                self.follow()
                self.list()
            except ApiError as error:
                self._broke(error)
                if not self._ended.wait(RETRY_S):
                    self._list_or_break()  # no watch reports what happened meanwhile

    def _relist_for_ever(self) -> None:
        while not self._ended.wait(self._source.relist_s):
            self._list_or_break()

    def _list_or_break(self) -> None:
        """List everything. A failure is noted, and left to the next round."""
        try:
            self.list()
        except ApiError as error:
            self._broke(error)

    def _broke(self, error: ApiError) -> None:
        with self._lock:
            if not self._broken:
                self._broken, self._gap_ns = str(error), self._heard_ns

    def _mended(self) -> None:
        """Write the gap that this first list after a break ends. It began when the server was last heard."""
        if self._broken and not self._ended.is_set():
            self._put(gap_event(f"watch {self._source.name}", self._broken, self._gap_ns))
        self._broken = ""
