"""The time-stamps of log lines."""

from pathlib import Path

import pytest

from chaos.analysis.logs import find, parse

KUBELET = "2026-11-23T09:14:37.391934567Z"
KUBELET_NS = 1795425277391934567


def test_redis_stamps_are_better_than_the_kubelets_and_last_a_millisecond():
    line = parse(f"{KUBELET} 1:M 23 Nov 2026 09:14:37.391 * MASTER MODE enabled", "pod")
    assert line is not None
    assert line.message == "MASTER MODE enabled"
    assert line.wall_ns == (KUBELET_NS - 934567, KUBELET_NS - 934567 + 1_000_000)


def test_the_operators_whole_seconds_leave_the_kubelets_stamp():
    line = parse(f'{KUBELET} time="2026-11-23T09:14:37Z" level=info msg="Update pod label"', "pod")
    assert line is not None
    assert line.wall_ns == (KUBELET_NS, KUBELET_NS)


def test_a_container_in_another_time_zone_is_known_by_the_kubelets_stamp():
    line = parse(f"{KUBELET} 1:M 23 Nov 2026 10:14:37.391 * MASTER MODE enabled", "pod")
    assert line is not None
    assert line.wall_ns == (KUBELET_NS, KUBELET_NS)


def test_a_log_that_no_kubelet_kept_has_only_its_own_stamps():
    line = parse("1234:X 23 Nov 2026 09:14:37.391 # +sdown master mymaster 10.0.0.1 6379", "pod")
    assert line is not None
    assert line.message == "+sdown master mymaster 10.0.0.1 6379"


@pytest.mark.parametrize("text", ["", "no stamp at all", "1:M 23 Foo 2026 09:14:37.391 * what"])
def test_a_line_without_a_stamp_is_none(text: str):
    assert parse(text, "pod") is None


def test_only_matching_lines_are_found(tmp_path: Path):
    path = tmp_path / "redis.log"
    path.write_text(f"{KUBELET} one\n{KUBELET} two MASTER MODE enabled\n{KUBELET} three\n")
    assert [line.message for line in find(path, "MASTER MODE", "pod")] == ["two MASTER MODE enabled"]
