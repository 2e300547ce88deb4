"""A stand-in for the API server: it answers what it was told to, and keeps what it was asked."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

WEBSOCKET = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""What every server of RFC 6455 adds to a client's key."""


@dataclass(frozen=True)
class Exec:
    """An answer to an exec: a program that reads one line, writes `said`, and ends at the same moment."""

    said: str

    def frames(self) -> bytes:
        channels = (b"\x01" + self.said.encode(), b'\x03{"metadata":{},"status":"Success"}')
        return b"".join(b"\x82\x7e" + len(one).to_bytes(2) + one for one in channels) + b"\x88\x00"


@dataclass(frozen=True)
class Refusal:
    """An answer that is an error."""

    status: int
    message: str


@dataclass
class Server:
    """`answers` by method and path; what it does not know is not found. `asked` is in the order of arrival."""

    url: str = ""
    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, list[str]], Any]] = field(default_factory=list)

    def items(self, path: str, *found: dict[str, Any]) -> None:
        self.answers["GET", path] = {"items": list(found)}

    def kubeconfig(self, folder: Path) -> Path:
        cluster = {"name": "fake", "cluster": {"server": self.url}}
        context = {"name": "fake", "context": {"cluster": "fake", "user": "nobody"}}
        config = {
            "clusters": [cluster],
            "contexts": [context],
            "users": [{"name": "nobody", "user": {"token": "t0ken"}}],
            "current-context": "fake",
        }
        path = folder / "kubeconfig"
        path.write_text(json.dumps(config))
        return path


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            split = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            server.asked.append((self.command, split.path, parse_qs(split.query), json.loads(body) if body else None))
            answer = server.answers.get((self.command, split.path))
            if callable(answer):
                answer = answer()
            if isinstance(answer, Exec):
                self.run(answer)
                return
            if answer is None:
                answer = Refusal(404, f"{split.path} not found")
            status = answer.status if isinstance(answer, Refusal) else 200
            data = json.dumps({"message": answer.message} if isinstance(answer, Refusal) else answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            with suppress(ConnectionError):  # whoever asked has given up
                self.end_headers()
                self.wfile.write(data)

        def run(self, program: Exec) -> None:
            key = base64.b64encode(hashlib.sha1((self.headers["Sec-WebSocket-Key"] + WEBSOCKET).encode()).digest())
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", key.decode())
            self.send_header("Sec-WebSocket-Protocol", "v4.channel.k8s.io")
            self.end_headers()
            self.rfile.read1(1)
            self.wfile.write(program.frames())
            while self.rfile.read1():
                """Its answer to the end, and then its own."""

        do_GET = do_PATCH = do_POST = do_DELETE = answer

        def log_message(self, *_: Any) -> None:
            """Nothing: a test's output is its own."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
