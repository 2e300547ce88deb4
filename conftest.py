"""What a test needs, by its marker. Where that is missing here the test is skipped with a sentence that brings it.

With CI set nothing is skipped for something missing: there it fails. A test that needs nothing, and is not `slow`, is
`quick`: nobody has to remember to mark it.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable

import pytest

pytest_plugins = ["pytester"]


def _without(program: str, otherwise: str) -> str:
    return "" if shutil.which(program) else otherwise


def _not_local() -> str:
    """Found by trying, which takes a second: asked only where a test needs it. Less than namespaces is too little."""
    from chaos.cluster.local import level, servers
    from chaos.errors import SetupError
    from chaos.scenario.places import LocalServer

    if refused := level.no_namespaces():
        return f"{refused}: {level.REMEDY}"
    try:
        servers.find(LocalServer())
    except SetupError as error:
        return str(error)
    return ""


NEEDS: dict[str, Callable[[], str]] = {
    "redis": lambda: _without("redis-server", "no redis-server: apt-get install redis-server"),
    "haproxy": lambda: _without("haproxy", "no HAProxy: apt-get install haproxy"),
    "netns": lambda: "" if os.geteuid() == 0 else "network namespaces are made as root: sudo",
    "local": _not_local,
    "browser": lambda: _without("chromium", "no Chromium: apt-get install chromium"),
}
"""By marker: a sentence on what is missing, and nothing where it is there."""
LONGEST_FIRST = ("local", "slow", "redis", "netns", "browser")
"""Markers, in the order in which side by side their tests begin: whoever waits longest must not begin last."""
SETTINGS = {"pytest_asyncio": ("asyncio_mode", "asyncio_default_fixture_loop_scope"), "pytest_timeout": ("timeout",)}
"""What pyproject.toml sets of the plugins that only the tests' environment has."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """`pytest experiments/kill-master.yaml` works without these plugins; pytest refuses settings that nobody knows."""
    for plugin, names in SETTINGS.items():
        for name in () if importlib.util.find_spec(plugin) else names:
            parser.addini(name, f"A setting of {plugin}, which is not installed here.")


def pytest_configure(config: pytest.Config) -> None:
    """Keep bytecode: a session starts hundreds of processes of ours, and each would compile what it imports."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


@pytest.hookimpl(tryfirst=True)  # before `-m quick` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    marked = {item: {mark.name for mark in item.iter_markers()} for item in items}
    for item, names in marked.items():
        if not names & {*NEEDS, "kind", "slow", "alone"}:
            item.add_marker("quick")
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: [name not in marked[item] for name in LONGEST_FIRST])
    needed = () if "CI" in os.environ else NEEDS.keys() & set().union(*marked.values())
    missing = {name: sentence for name in needed if (sentence := NEEDS[name]())}
    for item, names in marked.items():
        for name in missing.keys() & names:
            item.add_marker(pytest.mark.skip(reason=missing[name]))
        if "kind" in names and "kind" not in config.option.markexpr:
            item.add_marker(pytest.mark.skip(reason="needs a cluster: nox -s kind"))
