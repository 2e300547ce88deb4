"""Where faults write."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.clock import HOST
from chaos.record.event_files import EventWriter


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[EventWriter]:
    events = EventWriter(tmp_path / "faults.jsonl", HOST)
    yield events
    events.close()
