"""A watch of a Sentinel that is given by a name, while the name comes to mean another address."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import SHUT_RDWR, create_connection, create_server, socket
from threading import Thread

import pytest

from tests.rig import LOOPBACK, REDIS, SENTINELS, Rig, wait_for
from tests.watch.watched import PATIENT, keys_left, watching

OTHER = "127.0.0.2"
NAME = "the-sentinel"
WITH_HOSTS = ("unshare", "-rm", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"')
"""Runs a command that finds names in a file of the test's own."""


@contextmanager
def relay(port: int, to: int) -> Iterator[None]:
    """Another machine's address, at which a Sentinel of this one answers."""

    def pump(one: socket, other: socket) -> None:
        with one, other:
            try:
                while data := one.recv(1 << 16):
                    other.sendall(data)
                other.shutdown(SHUT_RDWR)
            except OSError:
                return  # one of the two is gone, and so the connection is over

    def serve() -> None:
        while True:
            try:
                near, _ = server.accept()
                far = create_connection((LOOPBACK, to))
            except OSError:
                return  # the server is closed
            for pair in ((near, far), (far.dup(), near.dup())):
                Thread(target=pump, args=pair, daemon=True).start()

    with create_server((OTHER, port)) as server:
        Thread(target=serve, daemon=True).start()
        yield
        server.shutdown(SHUT_RDWR)


@pytest.mark.redis
@pytest.mark.netns
@pytest.mark.timeout(300)
def test_it_goes_on_where_the_name_of_its_sentinel_comes_to_mean_another_address(rig: Rig, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(f"{LOOPBACK} localhost {NAME}\n")
    if subprocess.run([*WITH_HOSTS, str(hosts), "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody mount in a namespace of their own")
    first, second = (rig.processes[name].port for name in SENTINELS[:2])
    asked = ("--sentinel", f"{NAME}:{first}", "--until", "1", *PATIENT)
    before = (*WITH_HOSTS, str(hosts))
    with relay(first, to=second), watching(tmp_path / "reports", *asked, before=before) as watched:
        wait_for(lambda: bool(keys_left(rig)), "its clients write", within_s=60)
        time.sleep(8)  # what it needs for a deadline and a baseline
        hosts.write_text(f"{LOOPBACK} localhost\n{OTHER} {NAME}\n")
        time.sleep(3)  # names are resolved once a second
        rig.kill(SENTINELS[0])
        rig.kill(REDIS[0])
        assert watched.over() == 0, watched.said
    [trial] = watched.result.trials
    assert [one.kind for one in trial.failovers] == ["detected"]
    outage = trial.paths["sentinel/new"].outage_s
    assert outage is not None
    assert outage.most < 60
