"""The time-stamps of log lines."""

from pathlib import Path

import pytest

from chaos.analysis.interval import Interval
from chaos.analysis.logs import find, parse, unread

KUBELET = "2026-11-23T09:14:37.391934567Z"
KUBELET_NS = 1795425277391934567


def test_redis_stamps_are_better_than_the_kubelets_and_last_a_millisecond():
    line = parse(f"{KUBELET} 1:M 23 Nov 2026 09:14:37.391 * MASTER MODE enabled", "pod")
    assert line is not None
    assert line.message == "MASTER MODE enabled"
    assert line.wall_ns == (KUBELET_NS - 934567, KUBELET_NS - 934567 + 1_000_000)


def test_a_kubelets_fraction_may_have_fewer_digits():
    line = parse("2026-11-23T09:14:37.5Z what", "pod")
    assert line is not None
    assert line.wall_ns == (KUBELET_NS - 391934567 + 500_000_000,) * 2


def test_a_line_is_placed_with_the_error_of_its_clock_on_both_sides():
    line = parse(f"{KUBELET} 1:M 23 Nov 2026 09:14:37.391 * MASTER MODE enabled", "pod")
    assert line is not None
    placed = line.placed(lambda wall_ns: Interval(wall_ns / 1e6 - 3, wall_ns / 1e6 + 2))
    assert placed is not None
    assert placed.at_s.width == pytest.approx(1 + 3 + 2, abs=1e-3)


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


@pytest.mark.parametrize(
    "kubelet",
    [
        "2026-11-23T18:14:37.391934567+09:00",
        "2026-11-23T03:44:37.391934567-05:30",
        "2026-11-23T09:14:37.391934567+00:00",
    ],
)
def test_a_kubelet_in_another_time_zone_says_its_offset(kubelet: str):
    line = parse(f"{kubelet} 1:M 23 Nov 2026 09:14:37.391 * MASTER MODE enabled", "pod")
    assert line is not None
    assert line.wall_ns == (KUBELET_NS - 934567, KUBELET_NS - 934567 + 1_000_000)
    bare = parse(f"{kubelet} some text", "pod")
    assert bare is not None
    assert (bare.message, bare.wall_ns) == ("some text", (KUBELET_NS, KUBELET_NS))


@pytest.mark.parametrize(
    "stamp",
    ["23 Nov 2026 09:14:37.391", "2026-11-23T09:14:37.391Z", "2026-11-23T18:14:37.391+09:00", "1795425277391"],
)
@pytest.mark.parametrize(
    "line",
    ['pid=1 role=RDB/AOF timestamp="{}" level=notice message="MASTER MODE enabled"', "1:C {} * MASTER MODE enabled"],
)
def test_each_format_and_stamp_of_valkey_is_read(line: str, stamp: str):
    found = parse(line.format(stamp), "pod")
    assert found is not None
    assert found.message == "MASTER MODE enabled"
    assert found.wall_ns[0] == KUBELET_NS - 934567


@pytest.mark.parametrize(
    ("text", "server", "lines", "because"),
    [
        (f"{KUBELET} 1:M 23 Nov 2026 09:14:37.391 * one\n{KUBELET}   _._ the logo\n", True, 0, ""),
        (f"{KUBELET} one\n{KUBELET}\ncut o", False, 0, ""),
        ("", True, 0, ""),
        (f"{KUBELET} one\nNov 23 09:14:37 two\nthree\n", False, 2, "they begin with no time-stamp that is known"),
        (f'{KUBELET} {{"msg": "ready"}}\n', True, 1, "they are in no format that is known"),
        (f'{KUBELET} {{"msg": "ready"}}\n', False, 0, ""),
    ],
)
def test_what_cannot_be_read_is_counted(tmp_path: Path, text: str, server: bool, lines: int, because: str):
    path = tmp_path / "some.log"
    path.write_text(text)
    found = unread(path, server=server)
    assert (found.lines if found else 0, found.because if found else "") == (lines, because)


@pytest.mark.parametrize(
    "text",
    ["", "2026-13-23T09:14:37Z x", "1:M yesterday * x", "no stamp", "1:M 23 Foo 2026 09:14:37.391 * what"],
)
def test_a_line_without_a_stamp_is_none(text: str):
    assert parse(text, "pod") is None


BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
ALIKE = {
    "ends as on Windows": f"{KUBELET} {{}}\r\n",
    "CRI": f"{KUBELET} stdout F {{}}\n",
    "a part of a line in CRI": f"{KUBELET} stderr P {{}}\n",
    "Docker": '{{"log":"{}\\n","stream":"stdout","time":"' + KUBELET + '"}}\n',
    "a space for T": KUBELET.replace("T", " ") + " {}\n",
    "a small z": KUBELET.replace("Z", "z") + " {}\n",
    "a small t": KUBELET.replace("T", "t") + " {}\n",
    "a byte order mark": f"{BOM}{KUBELET} {{}}\n",
}


@pytest.mark.parametrize("kept", ALIKE.values(), ids=ALIKE)
def test_whoever_kept_a_log_its_lines_are_read(tmp_path: Path, kept: str):
    path = tmp_path / "redis.log"
    said = "1:M 23 Nov 2026 09:14:37.391 * MASTER MODE enabled"
    line = kept.format(said)
    path.write_bytes(f"{line}{line.removeprefix(BOM)}".encode())
    plain = parse(f"{KUBELET} {said}", "pod")
    assert plain is not None
    assert [(one.message, one.wall_ns) for one in find(path, "MASTER MODE enabled$", "pod")] == [
        (plain.message, plain.wall_ns)
    ] * 2
    assert unread(path, server=True) is None


@pytest.mark.parametrize("text", ['{"log": 1, "time"}', '{"log":"no time\\n"}', "1795425277.391 1:M what"])
def test_the_first_line_that_cannot_be_read_is_shown(tmp_path: Path, text: str):
    path = tmp_path / "redis.log"
    path.write_text(f"{KUBELET} one\n{text}\n{text}\n")
    found = unread(path, server=False)
    assert found is not None
    assert (found.number, found.lines, found.of) == (2, 2, 3)


def test_only_matching_lines_are_found(tmp_path: Path):
    path = tmp_path / "redis.log"
    path.write_text(f"{KUBELET} one\n{KUBELET} two MASTER MODE enabled\n{KUBELET} three\n")
    assert [line.message for line in find(path, "MASTER MODE", "pod")] == ["two MASTER MODE enabled"]
