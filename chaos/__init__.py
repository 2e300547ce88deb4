"""A chaos and failover harness for Redis Sentinel that tells where every second of an outage went.

`chaos.load("reports/…")` returns the tables of campaigns (`chaos.frames`, docs/frames.md).
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:  # noqa: ANN401  # what a module's attribute is
    """Import `load` on first use, because it loads pandas, which nothing else in this package's import needs."""
    if name == "load":
        return import_module("chaos.frames").load
    raise AttributeError(f"module 'chaos' has no attribute {name!r}")
