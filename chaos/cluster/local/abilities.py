"""What this machine lets this user do, found by doing it in a process that ends at once.

No setting of the kernel is read: a container engine's filter, a security module or a limit may forbid what it allows.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Callable

from chaos.cluster.local.level import LOOPBACK, NAMESPACES, SAMPLE, Level
from chaos.cluster.local.network import Network, isolate
from chaos.errors import ScenarioError, SetupError
from chaos.net.cut import Cut
from chaos.net.nft import Services, Table
from chaos.net.service import Service

VARIABLE = "FAILOVER_LEVEL"
"""Names the only level that is tried: `namespaces`, or `loopback` also where the machine could do more."""
TRY_S = 20.0
ADDRESS, HERE = "10.93.255.1", "10.93.0.1"
LOOPBACK_ADDRESS = "127.93.255.1"
COMMAND = [sys.executable, "-m", "chaos.cluster.local.abilities"]
REMEDY = (
    "allow unprivileged user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu; "
    "--security-opt seccomp=unconfined for Docker), or run as root"
)


def level() -> Level:
    """The level at which a system is held here; raises SetupError where it is none, ScenarioError for a wrong name."""
    found = best()
    if found.name == SAMPLE:
        raise SetupError(f"no system can be held here: {found.why}; {REMEDY}; or look at failover report --sample")
    return found


def best() -> Level:
    """The first level that this machine allows, of those that may be tried."""
    asked = os.environ.get(VARIABLE, "")
    if asked not in ("", *TRIES):
        raise ScenarioError(f'{VARIABLE}: "{asked}" is no level; write {" or ".join(TRIES)}, or unset it')
    refused = [f"{VARIABLE} asks for it"] if asked and asked != NAMESPACES else []
    for name in [asked] if asked else TRIES:
        why = TRIES[name]()
        if not why:
            return Level(name, "; ".join(refused))
        refused.append(why)
    return Level(SAMPLE, "; ".join(refused))


def no_namespaces() -> str:
    """Why there are none; empty where they can be had."""
    try:
        tried = subprocess.run(COMMAND, capture_output=True, text=True, timeout=TRY_S, check=False)
    except subprocess.TimeoutExpired:
        return f"making a network namespace took longer than {TRY_S:g} s; look at dmesg"
    refused = (tried.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return f"no network namespaces of our own here ({refused})" if tried.returncode else ""


def no_loopback() -> str:
    """Why no addresses of 127.0.0.0/8 but the first can be had; empty where they can."""
    try:
        with socket.create_server((LOOPBACK_ADDRESS, 0)) as one:
            socket.create_connection(one.getsockname(), TRY_S).close()
    except OSError as error:
        return f"no loopback address but 127.0.0.1 here ({error})"
    return ""


TRIES: dict[str, Callable[[], str]] = {NAMESPACES: no_namespaces, LOOPBACK: no_loopback}
"""In the order of preference."""


def attempt() -> None:
    """All that a nest needs of the kernel, once. Raises OSError for the first that it refuses."""
    isolate()
    network = Network()
    space = network.space(ADDRESS)
    services = (Service(HERE, 6379, ((ADDRESS, 6379), (HERE, 6379))), Service(ADDRESS, 6379, ()))
    Services.within(network.file(space)).apply(services)
    Table.within(network.file(space)).apply(Cut((HERE,)))
    network.remove(space)


if __name__ == "__main__":
    attempt()
