"""Two network namespaces joined by a veth pair, each held by a child process of its own. Needs root."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from chaos.linux import CLONE_NEWNET, apart, setns

HERE, THERE = "10.231.0.1", "10.231.0.2"


@dataclass(frozen=True)
class Space:
    """One namespace. `pid` is that of the process that holds it."""

    pid: int
    address: str

    def popen(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a program inside."""
        return subprocess.Popen(["nsenter", "-t", str(self.pid), "-n", *command], **options)

    def python(self, program: str, **options: Any) -> subprocess.Popen[bytes]:
        return self.popen(sys.executable, "-u", "-c", program, **options)

    def run(self, *command: str) -> str:
        inside = ["nsenter", "-t", str(self.pid), "-n", *command]
        return subprocess.run(inside, check=True, capture_output=True, text=True, timeout=60).stdout

    def reaches(self, address: str) -> bool:
        """Does a packet from here reach `address`, and its answer come back? Nobody listens there: it refuses."""
        with self._socket() as probe:
            probe.settimeout(0.5)
            try:
                probe.connect((address, 9))
            except ConnectionRefusedError:
                return True
            except TimeoutError:
                return False
        raise AssertionError(f"somebody listens at {address}:9")

    def _socket(self) -> socket.socket:
        """It belongs to the namespace that it was made in."""

        def go_and_make() -> socket.socket:
            descriptor = self.open()
            setns(descriptor, CLONE_NEWNET)
            os.close(descriptor)
            return socket.socket()

        return apart(go_and_make)

    def open(self) -> int:
        return os.open(f"/proc/{self.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Talker:
    """A program in one namespace that answers each word with a line, from what it meets in the other."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def say(self, word: str = "new") -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(word.encode() + b"\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().decode().strip()


@contextmanager
def talking(spaces: tuple[Space, Space], talks: str, serves: str) -> Iterator[Talker]:
    """The second namespace's program `serves`, as it says by the line `ready`, whom the first one's `talks` to."""
    here, there = spaces
    with there.python(serves, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        with here.python(talks, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as talker:
            yield Talker(talker)
            talker.kill()
        server.kill()


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=60)


def _hold() -> subprocess.Popen[bytes]:
    """A process in a new namespace, ready once it has written its line."""
    command = ["unshare", "-n", "sh", "-c", "ip link set lo up && echo ready && exec sleep 600"]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"ready\n"
    return holder


@contextmanager
def pair() -> Iterator[tuple[Space, Space]]:
    holders = [_hold(), _hold()]
    try:
        one, two = (Space(holder.pid, address) for holder, address in zip(holders, (HERE, THERE), strict=True))
        name = f"fh{one.pid}"
        _ip("link", "add", name, "netns", str(one.pid), "type", "veth", "peer", "name", "eth0", "netns", str(two.pid))
        for space, link in ((one, name), (two, "eth0")):
            space.run("ip", "addr", "add", f"{space.address}/24", "dev", link)
            space.run("ip", "link", "set", link, "up")
        yield one, two
    finally:
        for holder in holders:
            holder.send_signal(signal.SIGKILL)
            holder.wait(60)
            assert holder.stdout is not None
            holder.stdout.close()
