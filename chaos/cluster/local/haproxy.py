"""HAProxy as a member of a local system: found on this machine, and the configuration that it is started with.

It stands at an address of its own, behind the master's Service, and checks every Redis itself, as people set it up:
whoever answers `role:master` is up. Its stats socket is what the recording reads.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from chaos.errors import SetupError
from chaos.resp import PASSWORD_VARIABLE, password_from_environment
from chaos.scenario.model import PROXY_BACKEND, PROXY_STATS, ProxySettings, System

Address = tuple[str, int]


def find(system: System) -> Path | None:
    """The program, where the system has an HAProxy; raises SetupError where it is not installed."""
    if system.proxy is None:
        return None
    found = shutil.which("haproxy")
    if found is None:
        raise SetupError("the scenario has an HAProxy, and none is on the PATH: apt-get install haproxy, or --on kind")
    return Path(found)


def haproxy_conf(system: System, at: Address, servers: Mapping[str, Address]) -> str:
    """The same checks as in scenarios/haproxy/proxy/config.yaml. The password stays in the environment."""
    checks = system.settings.proxy or ProxySettings()
    asked = [("INFO replication", "role:master"), ("QUIT", "+OK")]
    if password_from_environment():
        asked.insert(0, (f"AUTH ${{{PASSWORD_VARIABLE}}}", "+OK"))
    every = f"inter {checks.inter * 1000:.0f}ms fall {checks.fall} rise {checks.rise}"
    lines = [
        "global",
        "maxconn 4000",
        "log stdout format raw local0 notice",
        f"stats socket ipv4@{at[0]}:{PROXY_STATS} level user",
        "defaults",
        "mode tcp",
        "timeout connect 1s",
        "timeout check 1s",
        "timeout client 1h",
        "timeout server 1h",
        "frontend redis",
        f"bind {at[0]}:{at[1]}",
        f"default_backend {PROXY_BACKEND}",
        f"backend {PROXY_BACKEND}",
        "log global",
        "option tcp-check",
        "tcp-check connect",
        *(f'tcp-check send "{send}\\r\\n"\ntcp-check expect string {expect}' for send, expect in asked),
        f"default-server check {every} on-marked-down shutdown-sessions",
        *(f"server {name} {address}:{port}" for name, (address, port) in servers.items()),
    ]
    return "\n".join(lines) + "\n"


def command(program: Path, conf: Path) -> list[str]:
    """In the foreground, as one process: its end is the member's."""
    return [str(program), "-db", "-f", str(conf)]
