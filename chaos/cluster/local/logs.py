"""What a process says, line by line into a file, each line stamped as the kubelet stamps it."""

import time
from pathlib import Path
from typing import BinaryIO

from chaos.record.kept import kept


class Log:
    """Its file is made when it is opened, or else with the first line.

    Not `stamped` is what its writer has stamped already, or what nobody places in time.
    """

    def __init__(self, path: Path, *, stamped: bool = True) -> None:
        self._path = path
        self._stamped = stamped
        self._file: BinaryIO | None = None

    def open(self) -> BinaryIO:
        """Its file, made where it is not there yet."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab", buffering=0)
        return self._file

    def write(self, line: bytes) -> None:
        with kept(self._path):
            self.open().write((stamp().encode() + b" " if self._stamped else b"") + line + b"\n")

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def stamp() -> str:
    """The wall clock now: RFC 3339 in UTC with nanoseconds."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09}Z"
