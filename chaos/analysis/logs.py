"""Finding lines in container logs, and what they say of their own time. Not for what a line means.

A line begins with the kubelet's stamp. Redis and Sentinel write their own, in milliseconds, which is nearer to what
happened; the operator's has whole seconds, so that for it the kubelet's is the better one.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from chaos.analysis.interval import Interval

_KUBELET = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?Z (.*)")
_REDIS = re.compile(r"\d+:[A-Z] (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d)\.(\d{3}) [.\-*#] (.*)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MILLISECOND_NS = 1_000_000
_TRUSTED_NS = 2 * 10**9
"""A line's own stamp counts if it is this near to the kubelet's; a container in another time zone is further off."""


@dataclass(frozen=True, slots=True)
class RawLine:
    """A matching line, with its wall-clock interval."""

    pod: str
    text: str
    message: str
    wall_ns: tuple[int, int]

    def placed(self, place: Callable[[int], Interval | None]) -> "LogLine | None":
        """On the axis; None where that clock cannot be placed."""
        earliest, latest = place(self.wall_ns[0]), place(self.wall_ns[1])
        if earliest is None or latest is None:
            return None
        return LogLine(self.pod, self.text, self.message, Interval(earliest.least, latest.most))


@dataclass(frozen=True, slots=True)
class LogLine:
    """A log line on the axis. `message` is it without stamps, `text` the whole line as it was written."""

    pod: str
    text: str
    message: str
    at_s: Interval


def find(path: Path, pattern: str, pod: str) -> Iterator[RawLine]:
    """The lines of a log file that match; a file is searched as bytes, so that its size costs little."""
    whole_line = re.compile(rb"^.*(?:" + pattern.encode() + rb").*$", re.MULTILINE)
    for match in whole_line.finditer(path.read_bytes()):
        line = parse(match[0].decode("utf-8", "replace"), pod)
        if line is not None:
            yield line


def parse(text: str, pod: str) -> RawLine | None:
    """None for a line that has no stamp that is understood."""
    kubelet = _KUBELET.fullmatch(text)
    rest = kubelet[8] if kubelet else text
    kept_ns = _kubelet_ns(kubelet) if kubelet else None
    own = _REDIS.fullmatch(rest)
    own_ns = _redis_ns(own) if own else None
    message = own[8] if own else rest
    if own_ns is not None and (kept_ns is None or abs(own_ns - kept_ns) < _TRUSTED_NS):
        return RawLine(pod, text, message, (own_ns, own_ns + _MILLISECOND_NS))
    return None if kept_ns is None else RawLine(pod, text, message, (kept_ns, kept_ns))


def _kubelet_ns(match: re.Match[str]) -> int:
    year, month, day, hour, minute, second = (int(match[n]) for n in range(1, 7))
    return _ns(datetime(year, month, day, hour, minute, second, tzinfo=UTC)) + int((match[7] or "0").ljust(9, "0"))


def _redis_ns(match: re.Match[str]) -> int | None:
    if match[2] not in _MONTHS:
        return None
    month = _MONTHS.index(match[2]) + 1
    day, year, hour, minute, second = (int(match[n]) for n in (1, 3, 4, 5, 6))
    return _ns(datetime(year, month, day, hour, minute, second, tzinfo=UTC)) + int(match[7]) * _MILLISECOND_NS


def _ns(moment: datetime) -> int:
    return int(moment.timestamp()) * 10**9
