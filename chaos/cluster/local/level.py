"""The levels at which this machine can run a system: what each level can do, and which one is possible here.

A subprocess tries it out. The kernel's settings are not read, because a container engine's filter, a security module or
a limit may forbid what they allow.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from chaos.agent.reach import no_cgroup
from chaos.cluster.base import Ability
from chaos.cluster.local.servers import Server
from chaos.errors import ScenarioError, SetupError

NAMESPACES, LOOPBACK = "namespaces", "loopback"

HOW = {
    NAMESPACES: "processes in network namespaces of this machine",
    LOOPBACK: "processes at loopback addresses of this machine",
}
LOST = {NAMESPACES: (), LOOPBACK: (Ability.CUT, Ability.LINK, Ability.DELAY)}
"""The abilities that each level lacks."""

VARIABLE = "FAILOVER_LEVEL"
"""The environment variable that names the only level to try: `namespaces` or `loopback`."""
TRY_S = 60.0
LOOPBACK_ADDRESS = "127.93.255.1"
COMMAND = [sys.executable, "-m", "chaos.cluster.local.network"]
REMEDY = (
    "allow unprivileged user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0 on Ubuntu; "
    "--security-opt seccomp=unconfined for Docker), or run as root"
)


@dataclass(frozen=True, slots=True)
class Level:
    """A level that is possible here. `why` is a clause on why the machine cannot do the better level, or empty."""

    name: str
    why: str = ""

    @property
    def cannot(self) -> dict[Ability, str]:
        """Return why each ability that the level lacks is missing."""
        network = f"at the level {self.name} no member has a network of its own that could be cut ({self.why})"
        return dict.fromkeys(LOST[self.name], network)

    def __str__(self) -> str:
        """Return for the user how a system runs at this level, which abilities are missing, and why."""
        missing = ", ".join(sorted(self.cannot))
        lost = f" (level {self.name}: {self.why}; lost: {missing})" if missing else ""
        return HOW[self.name] + lost


def lacking(level: Level, server: Server) -> dict[Ability, str]:
    """Return the abilities that are missing with this level, this kernel and this server, each with the reason."""
    queues = missing_queues() if level.name == NAMESPACES else {}
    there = "all members are on this machine, and nothing would be left of the system"
    found = {
        Ability.STARVE: no_cgroup("cpu"),
        Ability.MEMORY: no_cgroup("memory"),
        Ability.LINK: queues.get("tbf", ""),
        Ability.DELAY: queues.get("netem", ""),
        Ability.COORDINATED: "" if server.coordinates else f"{server} has none; Valkey has it from version 9 on",
        Ability.ENGINE: f"there is no node that could go: {there}; --on kind has nodes",
        Ability.NODE: f"there is no node that could go: {there}; --on kind has nodes",
        Ability.MACHINES: "all members are on this machine; name those that are to be hit together",
        Ability.SCALE: "there is no Deployment to scale; --on kind has one",
    }
    return {**{one: why for one, why in found.items() if why}, **level.cannot}


def missing_queues() -> dict[str, str]:
    """Return the queueing disciplines that this kernel refuses, with its error. Raises SetupError after TRY_S."""
    try:
        tried = subprocess.run([*COMMAND, "queues"], capture_output=True, text=True, timeout=TRY_S, check=True)
    except subprocess.TimeoutExpired as error:
        late = f"trying which slow links this kernel makes took longer than {TRY_S:g} s; look at dmesg"
        raise SetupError(late) from error
    refused: dict[str, str] = json.loads(tried.stdout)
    return refused


def usable_level() -> Level:
    """Return the first possible level of those that may be tried.

    Raises SetupError if there is none, and ScenarioError for a wrong FAILOVER_LEVEL.
    """
    asked = os.environ.get(VARIABLE, "")
    if asked not in ("", *TRIES):
        raise ScenarioError(f'{VARIABLE}: "{asked}" is no level; write {" or ".join(TRIES)}, or unset it')
    refused = [f"{VARIABLE} asks for it"] if asked and asked != NAMESPACES else []
    for name in [asked] if asked else TRIES:
        why = TRIES[name]()
        if not why:
            return Level(name, "; ".join(refused))
        refused.append(why)
    told = "; ".join(refused)
    raise SetupError(f"no system can be held here: {told}; {REMEDY}; or look at failover report --sample")


def no_namespaces() -> str:
    """Return why no network namespace can be made here, or an empty string if one can."""
    try:
        tried = subprocess.run(COMMAND, capture_output=True, text=True, timeout=TRY_S, check=False)
    except subprocess.TimeoutExpired:
        return f"making a network namespace took longer than {TRY_S:g} s; look at dmesg"
    refused = (tried.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return f"no network namespaces of our own here ({refused})" if tried.returncode else ""


def no_loopback() -> str:
    """Return why 127.0.0.1 is the only loopback address here, or an empty string if others can be used."""
    try:
        with socket.create_server((LOOPBACK_ADDRESS, 0)) as one:
            socket.create_connection(one.getsockname(), TRY_S).close()
    except OSError as error:
        return f"no loopback address but 127.0.0.1 here ({error})"
    return ""


TRIES: dict[str, Callable[[], str]] = {NAMESPACES: no_namespaces, LOOPBACK: no_loopback}
"""The levels that can run a system, the best first, each with the function that returns why it is impossible."""
