"""What a test needs, by its marker. Where that is missing here the test is skipped with a sentence that brings it.

With CI set nothing is skipped for something missing: there it fails.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import pytest

pytest_plugins = ["pytester"]


@dataclass(frozen=True, slots=True)
class Need:
    there: Callable[[], bool]
    otherwise: str


NEEDS = {
    "redis": Need(lambda: shutil.which("redis-server") is not None, "no redis-server: apt-get install redis-server"),
    "netns": Need(lambda: os.geteuid() == 0, "network namespaces are made as root: sudo"),
    "browser": Need(lambda: shutil.which("chromium") is not None, "no Chromium: apt-get install chromium"),
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = {} if "CI" in os.environ else {name: need for name, need in NEEDS.items() if not need.there()}
    for item in items:
        for name in missing.keys() & {mark.name for mark in item.iter_markers()}:
            item.add_marker(pytest.mark.skip(reason=missing[name].otherwise))
        if item.get_closest_marker("kind") and "kind" not in config.option.markexpr:
            item.add_marker(pytest.mark.skip(reason="needs a cluster: nox -s kind"))
