"""What a member's configuration file says, and the command that starts it.

What a process comes back as is in its file. A Redis whose endpoint mode is `resync` has the operator's template: a
replica of itself, without the declared settings, which come by CONFIG SET and are lost with the process. The operator
mounts it read-only, so that what Sentinel has rewritten is not there at the next start: write the file again before
every start. In every other mode the file is written once, and is the server's own from then on: CONFIG REWRITE keeps
in it who is followed.
"""

import re
from pathlib import Path

from chaos.cluster.local.itself import itself
from chaos.cluster.local.servers import Server
from chaos.resp import password_from_environment
from chaos.scenario.model import System

_TEMPLATE = {"down-after-milliseconds": 1000, "failover-timeout": 3000, "parallel-syncs": 2}
"""The operator's Sentinel, until its first pass tells it who is master and how it is set."""
_OWN = re.compile(r"^(bind|replica-announce-ip|sentinel announce-ip) .*$", re.MULTILINE)


def redis_conf(system: System, *, address: str, port: int, directory: Path, master: tuple[str, int] | None) -> str:
    """Of a Redis that follows `master`, or is one where that is None; in mode `resync` of one that nobody told yet."""
    lines = [*_common(address, port, directory), *_announced("replica-announce-ip", address)]
    if password := password_from_environment():
        lines += [f"requirepass {password}", f"masterauth {password}"]
    if is_template(system):
        return _text([*lines, f"slaveof {itself(address)} {port}", "tcp-keepalive 60", "save 900 1", "save 300 10"])
    lines += [f"replicaof {master[0]} {master[1]}"] if master else []
    return _text([*lines, *(f"{name} {_quoted(value)}" for name, value in system.settings.redis.items())])


def sentinel_conf(system: System, *, address: str, port: int, directory: Path, master: tuple[str, int]) -> str:
    """Of a Sentinel that monitors `master`; in mode `resync` of one that nobody told yet. Sentinel rewrites it."""
    name = system.on_local.sentinel.master
    if is_template(system):
        host, redis_port, settings = itself(address), system.on_local.port, dict[str, str | int](_TEMPLATE)
    else:
        (host, redis_port), settings = master, sentinel_settings(system)
    return _text(
        [
            *_common(address, port, directory),
            *_announced("sentinel announce-ip", address),
            f"sentinel monitor {name} {host} {redis_port} {quorum(system)}",
            *(f"sentinel {option} {name} {value}" for option, value in settings.items()),
        ]
    )


def command(server: Server, conf: Path, sentinel: bool) -> list[str]:
    """Its output is its log, stamped in the time zone of its environment; the analysis reads it as UTC."""
    return [str(server.program), str(conf), *(["--sentinel"] if sentinel else [])]


def rebound(conf: str, address: str) -> str:
    """The same file for a member that came back at another address; nothing else in it speaks of its own."""
    return _OWN.sub(lambda found: _bind(address) if found[1] == "bind" else f"{found[1]} {address}", conf)


def is_template(system: System) -> bool:
    """Redis starts from the operator's file, and is told everything else afterwards."""
    return system.on_local.mode == "resync"


def quorum(system: System) -> int:
    """As declared; the operator's own rule otherwise."""
    return int(system.settings.sentinel.get("quorum", system.sentinels // 2 + 1))


def sentinel_settings(system: System) -> dict[str, str | int]:
    """Those that SENTINEL SET takes by name: the declared ones and the password. The quorum is told with MONITOR."""
    declared = {name: value for name, value in system.settings.sentinel.items() if name != "quorum"}
    password = password_from_environment()
    return declared | ({"auth-pass": password} if password else {})


def _common(address: str, port: int, directory: Path) -> list[str]:
    return [_bind(address), f"port {port}", f'dir "{directory}"', "protected-mode no", "daemonize no", 'logfile ""']


def _bind(address: str) -> str:
    return " ".join(dict.fromkeys(["bind", address, itself(address)]))


def _announced(option: str, address: str) -> list[str]:
    """On the machine's loopback whoever is connected to sees 127.0.0.1, whatever address the other listens on."""
    return [f"{option} {address}"] if itself(address) == address else []


def _quoted(value: str | int) -> str:
    """`save: ""` means none; a value of several words (`save: 900 1`) is several words."""
    return str(value) or '""'


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
