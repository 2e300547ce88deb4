"""`failover watch` as a process beside a real system, and a prober of its own that knows nothing of it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from chaos.analysis import summary
from chaos.analysis.result import CampaignResult
from tests.rig import LOOPBACK, MASTER_NAME, Rig, call, free_port, launch, wait_for

PATIENT = ("--deadline", "900ms")
"""On a busy test machine a healthy Redis may be late by as much."""


@dataclass
class Watched:
    """A watch that runs, or has run. `out` has what it printed so far."""

    popen: "subprocess.Popen[str]"
    reports: Path
    lines: list[str] = field(default_factory=list)

    def until(self, text: str, within_s: float = 60.0) -> None:
        wait_for(lambda: any(text in line for line in self.lines) or self.popen.poll() is not None, text, within_s)
        assert any(text in line for line in self.lines), "".join(self.lines)

    def interrupt(self) -> None:
        self.popen.send_signal(signal.SIGINT)

    def over(self, within_s: float = 200.0) -> int:
        """Its exit code. Most of this time is for the report, which a crowded machine makes slowly."""
        code = self.popen.wait(within_s)
        wait_for(lambda: not self.reader.is_alive(), "its last line is read")
        return code

    @property
    def directory(self) -> Path:
        [directory] = self.reports.iterdir()
        return directory

    @property
    def result(self) -> CampaignResult:
        return summary.load(self.directory / "summary.json")

    @property
    def said(self) -> str:
        return "".join(self.lines)

    def read(self) -> None:
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        self.lines.extend(self.popen.stdout)


@contextmanager
def watching(reports: Path, *arguments: str, before: tuple[str, ...] = ()) -> Iterator[Watched]:
    """It is interrupted when the block is left, if it still runs. `before` is a command that becomes it."""
    command = [*before, sys.executable, "-m", "chaos", "watch", "--out", str(reports), *arguments]
    popen = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "COLUMNS": "200"}
    )
    one = Watched(popen, reports)
    one.read()
    try:
        yield one
    finally:
        if popen.poll() is None:
            one.interrupt()
            try:
                popen.wait(60)
            except subprocess.TimeoutExpired:
                popen.kill()
        popen.wait()
        one.reader.join()
        assert popen.stdout is not None
        popen.stdout.close()


class Prober:
    """Writes through whoever a Sentinel names, every 5 ms, on a connection of its own each time. It stamps what it saw.

    `stamps` are (before, after, ok) on the monotonic clock, in the order of time.
    """

    def __init__(self, sentinel_port: int) -> None:
        self._sentinel = sentinel_port
        self._over = threading.Event()
        self.stamps: list[tuple[float, float, bool]] = []
        self._thread = threading.Thread(target=self._probe)

    def __enter__(self) -> "Prober":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _probe(self) -> None:
        while not self._over.wait(0.005):
            before = time.monotonic()
            self.stamps.append((before, *self._write()))

    def _write(self) -> tuple[float, bool]:
        try:
            told = call(self._sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME)
            ok = bool(told) and call(int(told[1]), "SET", "prober", "1") == "OK"
        except (TimeoutError, OSError):
            ok = False
        return time.monotonic(), ok

    def outage(self) -> tuple[float, float]:
        """The least and the most that the one outage can have lasted."""
        bad = [index for index, stamp in enumerate(self.stamps) if not stamp[2]]
        first, last = bad[0], bad[-1]
        least = self.stamps[last][0] - self.stamps[first][1]
        return max(0.0, least), self.stamps[last + 1][1] - self.stamps[first - 1][0]


@contextmanager
def alone(directory: Path, *options: str) -> Iterator[int]:
    """The port of a redis-server of this test."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", LOOPBACK, "--dir", str(directory), "--save", "", *options]
    popen = launch(command, directory / "log")
    try:
        wait_for(lambda: call(port, "PING") is not None, "redis-server answers")
        yield port
    finally:
        popen.kill()
        popen.wait(60)


def keys_left(rig: Rig) -> list[str]:
    """Our keys in any Redis that answers."""
    found = [call(one.port, "KEYS", "failover:*") for one in rig.processes.values() if one.name.startswith("rfr")]
    return sorted(key for keys in found if keys for key in keys)


def campaign_of(directory: Path) -> dict[str, object]:
    read: dict[str, object] = json.loads((directory / "campaign.json").read_text())
    return read


__all__ = ["LOOPBACK", "PATIENT", "Prober", "Watched", "alone", "campaign_of", "keys_left", "watching"]
