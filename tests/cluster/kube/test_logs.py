"""Logs on disk are what the kubelet gave, once, whatever broke in between."""

import time
from pathlib import Path

from tests.cluster.kube.fake_api import serving
from tests.cluster.kube.test_watch import PODS, Watching, pod, watching

__all__ = ["watching"]
NAME, FILE = "rfr-redis-cluster-0", "redis-rfr-redis-cluster-0-uid-of-r.log"


def line(number: int) -> str:
    return f"2026-11-23T14:00:{number:02}.000000000Z 1:M line {number}"


def logged(seen: Watching, *, until: int, within_s: float = 5.0) -> list[int]:
    """The numbers of the lines on disk, once line `until` is there."""
    path, limit = seen.directory / "logs" / FILE, time.monotonic() + within_s
    while True:
        numbers = [int(text.rpartition(" ")[2]) for text in path.read_text().splitlines()]
        if until in numbers:
            return numbers
        assert time.monotonic() < limit, path.read_text()
        time.sleep(0.01)


def test_lines_are_kept_raw(watching: Watching) -> None:
    watching.fake.log(NAME, line(1))
    logged(watching, until=1)

    assert (watching.directory / "logs" / FILE).read_text() == line(1) + "\n"
    opened = watching.of("log.opened")[0]
    assert opened.domain == "node/worker-1"
    assert opened.event.file == FILE
    assert any("sinceSeconds=1" in asked for asked in watching.fake.asked)


def test_a_broken_stream_loses_and_doubles_nothing(watching: Watching) -> None:
    """A line that was cut in half is read again as a whole."""
    watching.fake.log(NAME, line(1))
    logged(watching, until=1)
    watching.fake.cut_streams()
    watching.fake.log(NAME, line(2))

    assert logged(watching, until=2) == [1, 2]
    watching.fake.set(ended={NAME})
    watching.wait("gap", lambda event: event.event.source == f"log {FILE}")


def test_a_container_that_restarts_goes_on_in_its_file(watching: Watching) -> None:
    """What the old one wrote last is had from the kubelet's previous log."""
    watching.fake.log(NAME, line(1))
    logged(watching, until=1)
    watching.fake.previous[NAME] = [line(1), line(2)]
    watching.fake.logs[NAME] = [line(3)]
    watching.fake.put(PODS, pod(NAME, container="c1", restarts=1))
    watching.wait("pod", lambda event: event.event.restarts == 1)
    watching.fake.cut_streams()

    assert logged(watching, until=3) == [1, 2, 3]


def test_a_pod_that_is_gone_closes_its_log(watching: Watching) -> None:
    watching.fake.delete(PODS, NAME)
    watching.wait("pod", lambda event: event.event.gone)
    watching.fake.log(NAME, line(9))  # its process may live on for a moment
    logged(watching, until=9)
    watching.fake.set(ended={NAME})

    assert watching.wait("log.closed").event.file == FILE


def test_a_pod_that_comes_later_is_read_from_its_beginning(watching: Watching) -> None:
    watching.fake.logs["rfr-redis-cluster-1"] = [line(1)]
    watching.fake.put(PODS, pod("rfr-redis-cluster-1"))
    watching.wait("log.opened", lambda event: event.event.pod == "rfr-redis-cluster-1")
    time.sleep(0.2)
    asked = [path for path in watching.fake.asked if "rfr-redis-cluster-1/log" in path]

    assert asked
    assert not [path for path in asked if "since" in path]


def test_stopping_ends_every_stream(tmp_path: Path) -> None:
    with serving(tmp_path) as (fake, api):
        for number in range(3):
            fake.put(PODS, pod(f"rfr-redis-cluster-{number}"))
            fake.logs[f"rfr-redis-cluster-{number}"] = []
        seen = Watching(fake, api, tmp_path)
        seen.watcher.start()
        time.sleep(0.2)
        begun = time.monotonic()
        seen.watcher.stop()
        assert time.monotonic() - begun < 30
        assert len(seen.of("log.closed")) == 3
