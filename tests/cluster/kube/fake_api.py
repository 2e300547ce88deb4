"""An API server of a test's own on loopback: lists, watches and logs, and the ways in which they break."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chaos.cluster.kube.api import Api

Object = dict[str, Any]


class FakeApi:
    """Objects by collection path, every change under a new resourceVersion; log lines by pod."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.version = 0
        self.objects: dict[str, dict[str, Object]] = {}
        self.history: list[tuple[int, str, str, Object]] = []
        self.logs: dict[str, list[str]] = {}
        self.previous: dict[str, list[str]] = {}
        self.ended: set[str] = set()
        self.away = self.expired = self.stale = False
        self.breaks = 0
        self.asked: list[str] = []

    def put(self, path: str, one: Object) -> Object:
        with self.changed:
            self.version += 1
            one = {**one, "metadata": {**one["metadata"], "resourceVersion": str(self.version)}}
            kind = "MODIFIED" if one["metadata"]["name"] in self.objects.setdefault(path, {}) else "ADDED"
            self.objects[path][one["metadata"]["name"]] = one
            self.history.append((self.version, path, kind, one))
            self.changed.notify_all()
        return one

    def delete(self, path: str, name: str) -> None:
        with self.changed:
            self.version += 1
            one = self.objects[path].pop(name)
            gone = {**one, "metadata": {**one["metadata"], "resourceVersion": str(self.version)}}
            self.history.append((self.version, path, "DELETED", gone))
            self.changed.notify_all()

    def log(self, pod: str, line: str) -> None:
        with self.changed:
            self.logs.setdefault(pod, []).append(line)
            self.changed.notify_all()

    def set(self, **state: Any) -> None:
        with self.changed:
            for name, value in state.items():
                assert hasattr(self, name)
                setattr(self, name, value)
            self.changed.notify_all()

    def cut_streams(self) -> None:
        """Break every open watch and log in the middle."""
        self.set(breaks=self.breaks + 1)

    def wait_asked(self, path: str, times: int, within_s: float = 10.0) -> None:
        """Until `path` was listed, and not watched, so often from now on. The answers before the last were taken in."""
        with self.changed:
            begun = len(self.asked)

            def enough() -> bool:
                lists = [one for one in self.asked[begun:] if one.startswith(path) and "watch=" not in one]
                return len(lists) >= times

            asked = self.changed.wait_for(enough, within_s)
            assert asked, f"{path} was not asked for {times} times: {self.asked[begun:]}"

    def since(self, path: str, version: int) -> list[tuple[int, Object]]:
        return [(v, {"type": kind, "object": one}) for v, at, kind, one in self.history if at == path and v > version]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: FakeApi

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        with self.api.changed:
            self.api.asked.append(self.path)
            self.api.changed.notify_all()
        if self.api.away:
            self.close_connection = True
        elif url.path.endswith("/log"):
            self._log(url.path.split("/")[-2], query)
        elif "watch" in query:
            self._watch(url.path, query)
        else:
            self._list(url.path, query)

    def _list(self, path: str, query: dict[str, str]) -> None:
        with self.api.changed:
            label = query.get("labelSelector", "").partition("=")
            found = [one for one in self.api.objects.get(path, {}).values() if _matches(one, label)]
            body = {"metadata": {"resourceVersion": str(self.api.version)}, "items": found}
            if self.api.stale:
                body = {"metadata": {"resourceVersion": "1"}, "items": []}
        self._answer(200, json.dumps(body).encode())

    def _watch(self, path: str, query: dict[str, str]) -> None:
        label, version = query.get("labelSelector", "").partition("="), int(query["resourceVersion"])
        self._begin()
        if self.api.expired:
            self._chunk(_line({"type": "ERROR", "object": {"code": 410, "message": "too old resource version"}}))
            self._chunk(b"")
            return
        breaks = self.api.breaks
        while breaks == self.api.breaks:
            with self.api.changed:
                found = self.api.since(path, version)
                if not found:
                    self.api.changed.wait(5)
            for number, event in found:
                version = number
                if _matches(event["object"], label):
                    self._chunk(_line(event))
        self.close_connection = True

    def _log(self, pod: str, query: dict[str, str]) -> None:
        lines = (self.api.previous if "previous" in query else self.api.logs).get(pod)
        if lines is None:
            self._answer(404, b'{"message": "not found"}')
            return
        self._begin()
        sent, breaks = 0, self.api.breaks
        while True:
            with self.api.changed:
                new, sent = lines[sent:], len(lines)
                done = "follow" not in query or pod in self.api.ended
                if not new and not done and breaks == self.api.breaks:
                    self.api.changed.wait(5)
            for line in new:
                self._chunk(line.encode() + b"\n")
            if breaks != self.api.breaks:
                self._chunk(b"2026-11-23T14:00:00.999Z half a li")
                self.close_connection = True
                return
            if done:
                self._chunk(b"")
                return

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _begin(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _matches(one: Object, label: tuple[str, str, str]) -> bool:
    return not label[0] or one["metadata"].get("labels", {}).get(label[0]) == label[2]


def _line(event: Object) -> bytes:
    return json.dumps(event).encode() + b"\n"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that left is the point of some tests."""


@contextmanager
def serving(directory: Path) -> Iterator[tuple[FakeApi, Api]]:
    """The server, and the harness's own client of it."""
    fake = FakeApi()
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": fake}))
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    cluster = {"name": "fake", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}
    context = {"name": "fake", "context": {"cluster": "fake", "user": "fake"}}
    config = {"clusters": [cluster], "contexts": [context], "users": [{"name": "fake", "user": {}}]}
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "fake", **config}))
    try:
        with Api(kubeconfig, "fake") as api:
            yield fake, api
    finally:
        fake.set(away=True)
        server.shutdown()
        server.server_close()
