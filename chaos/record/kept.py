"""What cannot be written, most often for a full disk, is a failing of the harness that has a name."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.errors import RecordingError


@contextmanager
def kept(path: Path) -> Iterator[None]:
    """An OSError of what is written to `path` becomes a RecordingError."""
    try:
        yield
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be written: {error.strerror}; what was recorded is kept, and `failover analyse` reads it"
        ) from error
