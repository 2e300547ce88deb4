"""A stand-in for the API server: it answers what it was told to, and keeps what it was asked."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


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
            status = 404 if answer is None else 200
            data = json.dumps(answer or {"message": f"{split.path} not found"}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            with suppress(ConnectionError):  # whoever asked has given up
                self.end_headers()
                self.wfile.write(data)

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
