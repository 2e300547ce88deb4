"""Finds lines in container logs and reads their stamps. It does not interpret the lines.

A line begins with the kubelet's stamp, or is read as if it did (see `content`). Redis and Sentinel write a stamp of
their own in milliseconds, which is used because it is nearer to what happened. The operator's own stamp has whole
seconds, so the kubelet's is used for its lines.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from chaos.analysis.interval import Interval

RFC_3339 = r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?:[Zz]|([+-])(\d\d):?(\d\d))"
"""Matches a time-stamp as in RFC 3339, also with a space for its T. Its groups are the parts of the stamp."""
_KUBELET = re.compile(rf"({RFC_3339})(?: (.*))?")
"""Matches a kubelet's line. Its stamp has the node's time zone: `Z`, or an offset such as `+09:00`."""
_OWN = re.compile(
    r"""\d+:[A-Z]\ (?P<stamp>.+?)\ [.\-*#]\ (?P<message>.*)
    |pid=\d+\ role=\S+\ timestamp="(?P<stamp_fmt>[^"]*)"\ level=\S+\ message="(?P<message_fmt>.*)\"""",
    re.VERBOSE,
)
"""Matches a line as Redis writes it, or as Valkey does if `log-format` is logfmt."""
_STAMP = re.compile(r"(\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d)\.(\d{3})")
_ISO_8601 = re.compile(RFC_3339)
"""Matches a stamp of Valkey if `log-timestamp-format` is iso8601. It may also be milliseconds since 1970."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MILLISECOND_NS = 1_000_000
_TRUSTED_NS = 2 * 10**9
"""A line's own stamp is used if it is this near to the kubelet's. In a container with another time zone it is not."""
_GONE = re.compile(r"(failed to try resolving symlinks in path|unable to retrieve container logs for) .*")
"""Matches what the kubelet sends in place of a log whose file it has removed already."""
_CRI = re.compile(rb"^(\S+) (?:stdout|stderr) [FP](?::\S*)? ?", re.MULTILINE)
"""Matches what containerd and CRI-O write before a line on the node's disk: stamp, stream, and full or partial."""
_DOCKER = re.compile(rb'^\{"log":.*\}$', re.MULTILINE)
"""Matches a line of Docker's json-file driver."""


@dataclass(frozen=True, slots=True)
class RawLine:
    """A log line that matched a pattern, with the interval of its wall-clock time."""

    pod: str
    text: str
    message: str
    wall_ns: tuple[int, int]

    def placed(self, place: Callable[[int], Interval | None]) -> "LogLine | None":
        """Return the line on the trial's time axis, or None if its clock cannot be placed."""
        earliest, latest = place(self.wall_ns[0]), place(self.wall_ns[1])
        if earliest is None or latest is None:
            return None
        return LogLine(self.pod, self.text, self.message, Interval(earliest.least, latest.most))


@dataclass(frozen=True, slots=True)
class LogLine:
    """A log line on the trial's time axis. `text` is the whole line, and `message` is the line without its stamps."""

    pod: str
    text: str
    message: str
    at_s: Interval


def find(path: Path, pattern: str, pod: str) -> Iterator[RawLine]:
    """Yield the lines of a log file that match `pattern`.

    The file is searched as bytes, which is fast if it is large.
    """
    whole_line = re.compile(rb"^.*(?:" + pattern.encode() + rb").*$", re.MULTILINE)
    for match in whole_line.finditer(content(path)):
        line = parse(match[0].decode("utf-8", "replace"), pod)
        if line is not None:
            yield line


def content(path: Path) -> bytes:
    """Return a log as the API server gives it, with the stamp at the beginning of each line.

    It may have been taken from a node's disk: what CRI or Docker wrote around a line is removed. Line ends of Windows
    are replaced.
    """
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n")
    if b" stdout " in data or b" stderr " in data:
        data = _CRI.sub(rb"\1 ", data)
    return _DOCKER.sub(_as_the_kubelet, data) if b'{"log":' in data else data


def _as_the_kubelet(line: re.Match[bytes]) -> bytes:
    """Return a line of Docker's log as the kubelet gives it. A line that is not JSON is returned as it is."""
    try:
        kept = json.loads(line[0])
    except ValueError:
        return line[0]
    return f"{kept.get('time', '')} {str(kept['log']).rstrip()}".encode(errors="replace").replace(b"\n", b" ")


def parse(text: str, pod: str) -> RawLine | None:
    """Read a line. Return None if it has no stamp that is understood."""
    kubelet = _KUBELET.fullmatch(text)
    rest = _message(text)
    kept_ns = _iso_ns(kubelet[1]) if kubelet else None
    own = _OWN.fullmatch(rest)
    own_ns = _own_ns(own["stamp"] or own["stamp_fmt"]) if own else None
    message = (own["message"] if own["stamp"] else own["message_fmt"]) if own and own_ns is not None else rest
    if own_ns is not None and (kept_ns is None or abs(own_ns - kept_ns) < _TRUSTED_NS):
        return RawLine(pod, text, message, (own_ns, own_ns + _MILLISECOND_NS))
    return None if kept_ns is None else RawLine(pod, text, message, (kept_ns, kept_ns))


@dataclass(frozen=True, slots=True)
class Unread:
    """The lines of a log that could not be read: `lines` of all its lines (`of`).

    The first of them is line `number`, `text`. `because` says what is not known of them: their time, or their format.
    If `gone`, the lines are the kubelet's, which had no more of the log.
    """

    lines: int
    of: int
    number: int
    text: str
    because: str
    gone: bool = False


def unread(path: Path, *, server: bool) -> Unread | None:
    """Return what of a log cannot be read, or None if all of it can.

    `server` is true for the log of a Redis or a Sentinel, whose format is known. Even such a log has some lines without
    the server's own stamp, such as its logo. Its format is therefore unknown only if no line has such a stamp.
    """
    lines = content(path).decode("utf-8", "replace").split("\n")[:-1]  # the last may have been cut off
    unstamped = [number for number, line in enumerate(lines, 1) if parse(line, "") is None]
    if unstamped:
        first, because = unstamped[0], "they begin with no time-stamp that is known"
        gone = all(_GONE.fullmatch(lines[number - 1]) for number in unstamped)
        if gone:
            because = "the kubelet had removed the file before the log was read to its end"
        return Unread(len(unstamped), len(lines), first, lines[first - 1], because, gone)
    if server and lines and not any(_OWN.fullmatch(_message(line)) for line in lines):
        return Unread(len(lines), len(lines), 1, lines[0], "they are in no format that is known")
    return None


def _message(text: str) -> str:
    kubelet = _KUBELET.fullmatch(text)
    return (kubelet[12] or "") if kubelet else text


def _iso_ns(text: str) -> int | None:
    """Return a stamp as nanoseconds since 1970, or None if it is no stamp or its day does not exist."""
    match = _ISO_8601.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[n]) for n in range(1, 7))
    offset = timedelta(hours=int(match[9] or 0), minutes=int(match[10] or 0)) * (-1 if match[8] == "-" else 1)
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC) - offset
    except ValueError:
        return None
    return int(moment.timestamp()) * 10**9 + int((match[7] or "0").ljust(9, "0"))


def _own_ns(stamp: str) -> int | None:
    """Return a server's own stamp, in any of its formats, as nanoseconds since 1970. Without a time zone it is UTC."""
    if stamp.isdigit():
        return int(stamp) * _MILLISECOND_NS
    match = _STAMP.fullmatch(stamp)
    if match is None:
        return _iso_ns(stamp)
    if match[2] not in _MONTHS:
        return None
    month = _MONTHS.index(match[2]) + 1
    return _iso_ns(f"{match[3]}-{month:02}-{match[1]}T{match[4]}:{match[5]}:{match[6]}.{match[7]}Z")
