"""What this machine lets this user do, found by doing it in a process that ends at once.

No setting of the kernel is read: a container engine's filter, a security module or a limit may forbid what it allows.
"""

import subprocess
import sys

from chaos.cluster.local.network import Network, isolate
from chaos.errors import SetupError
from chaos.net.cut import Cut
from chaos.net.nft import Services, Table
from chaos.net.service import Service

NAMESPACES = "namespaces"
COMMAND = [sys.executable, "-m", "chaos.cluster.local.abilities"]
TRY_S = 20.0
ADDRESS, HERE = "10.93.255.1", "10.93.0.1"
REMEDY = (
    "allow unprivileged user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu; "
    "--security-opt seccomp=unconfined for Docker), or run as root"
)


def level() -> str:
    """`namespaces`, the level at which a system can be held here; raises SetupError with what was refused, and why."""
    try:
        tried = subprocess.run(COMMAND, capture_output=True, text=True, timeout=TRY_S, check=False)
    except subprocess.TimeoutExpired:
        raise SetupError(f"making a network namespace took longer than {TRY_S:g} s; look at dmesg") from None
    if tried.returncode != 0:
        refused = (tried.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise SetupError(f"no network namespaces of our own here ({refused}): {REMEDY}")
    return NAMESPACES


def attempt() -> None:
    """All that a nest needs of the kernel, once. Raises OSError for the first that it refuses."""
    isolate()
    network = Network()
    space = network.space(ADDRESS)
    services = (Service(HERE, 6379, ((ADDRESS, 6379), (HERE, 6379))), Service(ADDRESS, 6379, ()))
    Services.within(space.file).apply(services)
    Table.within(space.file).apply(Cut((HERE,)))
    network.remove(space)


if __name__ == "__main__":
    attempt()
