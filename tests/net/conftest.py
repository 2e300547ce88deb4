from collections.abc import Iterator

import pytest

from tests.net.spaces import Space, pair


@pytest.fixture
def spaces() -> Iterator[tuple[Space, Space]]:
    """Two namespaces that reach each other. Mark the test `netns`."""
    with pair() as both:
        yield both
