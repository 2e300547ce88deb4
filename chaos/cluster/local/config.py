"""What each member's process is started with: its configuration file, its data folder and its command.

A file says what its process comes back as. In most endpoint modes it is written once, before the first start, and
belongs to the server from then on: CONFIG REWRITE keeps in it whom a Redis follows. In mode `resync` a Redis has the
operator's template instead: it follows itself and has no declared settings, which come later by CONFIG SET and are lost
with the process. The operator mounts that file read-only, so it is written again before every start.
"""

import json
import re
import shutil
import sys
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path

from packaging.version import Version

from chaos.access import REDIS, Access, Accesses, Tls
from chaos.cluster.local.plan import Plan
from chaos.cluster.local.pod import LocalPod
from chaos.cluster.local.servers import Server
from chaos.model import MemberKind
from chaos.scenario.places import PROXY_BACKEND, PROXY_STATS
from chaos.scenario.scenario import System
from chaos.scenario.settings import SEVERAL_WORDS, ProxySettings

LOOPBACK = "127.0.0.1"
DEBUG_REFUSED = 7
"""The first version of Redis that refuses DEBUG unless its settings allow it."""
CONTROLLER = "chaos.operators"
"""The controller's program. It is started by its name, since what an operator does is known above this layer."""
_TEMPLATE = {"down-after-milliseconds": 1000, "failover-timeout": 3000, "parallel-syncs": 2}
"""The settings in the operator's file for Sentinel, which hold until the operator's first reconcile."""
_OWN = re.compile(r"^(bind|replica-announce-ip|sentinel announce-ip) .*$", re.MULTILINE)


class Recipes:
    """Writes the configuration files of each member.

    A member's folder in `home` outlives its process and its replacement, as a volume does.

    From its first start on, a configuration belongs to its member, which may change it by CONFIG REWRITE. Where the
    operator is modelled (mode `resync`) that is different: a Redis gets the operator's file again at every start, and a
    Sentinel when it is new.
    """

    def __init__(self, plan: Plan, home: Path) -> None:
        self._plan = plan
        self._local = plan.system.on_local
        self._home = home
        self._redis: dict[str, tuple[str, int]] = {}

    def first(self, pod: LocalPod, master: tuple[str, int] | None) -> None:
        """Prepare the first start of all. `master` is whom to follow or to watch; if it is None, be the master."""
        self.data(pod).mkdir(parents=True)
        if pod.kind is MemberKind.REDIS:
            self._redis[pod.name] = pod.ip_port
        self._write(pod, master)

    def restarted(self, pod: LocalPod) -> None:
        """Prepare another start in place."""
        if is_template(self._plan.system) and pod.kind is MemberKind.REDIS:
            self._write(pod, None)

    def replaced(self, pod: LocalPod, master: tuple[str, int]) -> None:
        """Prepare the start of a member that replaces one that was taken away.

        `master` is whom it watches if its own file does not say so.
        """
        lost = self._local.replace.data == "lost"
        if lost:
            shutil.rmtree(self.data(pod))
            self.data(pod).mkdir()
        if is_template(self._plan.system) or (lost and pod.kind is MemberKind.SENTINEL):
            self._write(pod, master)
        elif pod.kind in (MemberKind.REDIS, MemberKind.SENTINEL):
            self._conf(pod).write_text(rebound(self._conf(pod).read_text(), pod.space.address))

    def told(self, pod: LocalPod, master: tuple[str, int] | None) -> None:
        """Prepare another start of a Redis that has asked Sentinel: follow `master`, or be the master if it is None."""
        self._write(pod, master)

    def command(self, pod: LocalPod) -> list[str]:
        if pod.kind is MemberKind.OPERATOR:
            return [sys.executable, "-m", CONTROLLER]
        if pod.kind is MemberKind.PROXY:
            assert self._plan.haproxy is not None
            return [str(self._plan.haproxy), "-db", "-f", str(self._conf(pod))]  # in the foreground, as one process
        return command(self._plan.server, self._conf(pod), pod.kind is MemberKind.SENTINEL)

    def data(self, pod: LocalPod) -> Path:
        """Return the folder that its process works in."""
        return self._home / pod.name / "data"

    def _conf(self, pod: LocalPod) -> Path:
        return self._home / pod.name / "server.conf"

    def _write(self, pod: LocalPod, master: tuple[str, int] | None) -> None:
        system, address, port, data = self._plan.system, pod.space.address, pod.port, self.data(pod)
        if pod.kind is MemberKind.REDIS:
            text = redis_conf(system, address=address, port=port, directory=data, master=master)
            self._conf(pod).write_text(text)
        elif pod.kind is MemberKind.PROXY:
            self._conf(pod).write_text(haproxy_conf(system, (address, port), self._redis))
        elif pod.kind is MemberKind.SENTINEL:
            assert master is not None
            text = sentinel_conf(system, address=address, port=port, directory=data, master=master)
            self._conf(pod).write_text(text)


def itself(address: str) -> str:
    """Return the address by which a member reaches itself.

    It is 127.0.0.1 if the member has a network of its own. On the machine's loopback that address would be anybody's.
    """
    return address if IPv4Address(address).is_loopback else LOOPBACK


def redis_conf(system: System, *, address: str, port: int, directory: Path, master: tuple[str, int] | None) -> str:
    """The file of a Redis that follows `master`, or is a master if that is None; in mode `resync` the operator's."""
    access = Accesses.from_environment().redis
    lines = [*_common(address, port, directory, access), *_announced("replica-announce-ip", address)]
    lines += [f"masteruser {access.user}"] if access.user else []
    lines += [f"masterauth {_word(access.password)}"] if access.password else []
    if is_template(system):
        return _text([*lines, f"slaveof {itself(address)} {port}", "tcp-keepalive 60", "save 900 1", "save 300 10"])
    lines += [f"replicaof {master[0]} {master[1]}"] if master else []
    for name, value in system.settings.redis.items():
        lines.append(f"{name} {value if name in SEVERAL_WORDS and value else _word(value)}")
    return _text(lines)


def sentinel_conf(system: System, *, address: str, port: int, directory: Path, master: tuple[str, int]) -> str:
    """The file of a Sentinel that monitors `master`; in mode `resync` the operator's file. Sentinel rewrites it."""
    name, access = system.on_local.sentinel.master, Accesses.from_environment().sentinel
    if is_template(system):
        host, redis_port, settings = itself(address), system.on_local.port, dict[str, str | int](_TEMPLATE)
    else:
        (host, redis_port), settings = master, sentinel_settings(system)
    return _text(
        [
            *_common(address, port, directory, access),
            *_announced("sentinel announce-ip", address),
            *([f"sentinel sentinel-user {access.user}"] if access.user else []),
            *([f"sentinel sentinel-pass {_word(access.password)}"] if access.password else []),
            f"sentinel monitor {name} {host} {redis_port} {quorum(system)}",
            *(f"sentinel {option} {name} {_word(value)}" for option, value in settings.items()),
        ]
    )


def both(tls: Tls) -> Path:
    """Return the file with a certificate and its key together, which HAProxy wants."""
    return Path(tls.certificate).with_suffix(".pem")


def command(server: Server, conf: Path, sentinel: bool) -> list[str]:
    """Return what starts a server.

    It logs to standard output, in the time zone of its environment, which has to be UTC.

    DEBUG is allowed, which Redis from version 7 on refuses by default: a fault may need it.
    """
    if sentinel:
        return [str(server.program), str(conf), "--sentinel"]
    debug = ["--enable-debug-command", "yes"] if Version(server.version).major >= DEBUG_REFUSED else []
    return [str(server.program), str(conf), *debug]


def rebound(conf: str, address: str) -> str:
    """The same file for a member that came back at another address: these are the only lines with its own address."""
    return _OWN.sub(lambda found: _bind(address) if found[1] == "bind" else f"{found[1]} {address}", conf)


def is_template(system: System) -> bool:
    """Return whether Redis starts from the operator's file and is told everything else afterwards."""
    return system.on_local.mode == "resync"


def quorum(system: System) -> int:
    """Return the declared quorum, or else a majority, as the operator sets it."""
    return int(system.settings.sentinel.get("quorum", system.sentinels // 2 + 1))


def sentinel_settings(system: System) -> dict[str, str | int]:
    """Return what SENTINEL SET is told: the declared settings and the login. The quorum is part of MONITOR instead."""
    return {name: value for name, value in system.settings.sentinel.items() if name != "quorum"} | redis_login()


def redis_login() -> dict[str, str]:
    """Return the settings by which a Sentinel logs in to Redis; none where no login is needed."""
    redis = Accesses.from_environment().redis
    login = {"auth-user": redis.user, "auth-pass": redis.password}
    return {name: value for name, value in login.items() if value}


def _common(address: str, port: int, directory: Path, access: Access) -> list[str]:
    lines = [_bind(address), f'dir "{directory}"', "protected-mode no", "daemonize no", 'logfile ""']
    if access.user:  # whoever does not log in may do nothing
        password = _word(f">{access.password}")
        lines += [f"user {access.user} on {password} ~* &* +@all", "user default off"]
    elif access.password:
        lines.append(f"requirepass {_word(access.password)}")
    return [*lines, *(_tls(port, access.tls) if access.tls else [f"port {port}"])]


def _tls(port: int, tls: Tls) -> list[str]:
    """TLS and nothing else, on the links between members too. Everybody has to show a certificate, as is usual."""
    return [
        "port 0",
        f"tls-port {port}",
        "tls-replication yes",
        f'tls-ca-cert-file "{tls.ca}"',
        f'tls-cert-file "{tls.certificate}"',
        f'tls-key-file "{tls.key}"',
    ]


def _bind(address: str) -> str:
    return " ".join(dict.fromkeys(["bind", address, itself(address)]))


def _announced(option: str, address: str) -> list[str]:
    """On the machine's loopback every peer appears as 127.0.0.1, so that a member has to announce its address."""
    return [f"{option} {address}"] if itself(address) == address else []


def _word(value: str | int) -> str:
    """One word of a file, whatever is in it."""
    return str(value) if str(value).isalnum() else json.dumps(value, ensure_ascii=False)


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def haproxy_conf(system: System, at: tuple[str, int], servers: Mapping[str, tuple[str, int]]) -> str:
    """Return the file of an HAProxy, with the same checks as in scenarios/haproxy/proxy/config.yaml.

    It checks every Redis itself, as people set it up: whoever answers `role:master` is up. Its stats socket is what the
    recording reads. The password stays in the environment.
    """
    checks, access = system.settings.proxy or ProxySettings(), Accesses.from_environment().redis
    asked = [("INFO replication", "role:master"), ("QUIT", "+OK")]
    if access.login:
        user = f"{access.user} " if access.user else ""
        asked.insert(0, (f"AUTH {user}${{{REDIS}PASSWORD}}", "+OK"))
    every = f"inter {checks.inter * 1000:.0f}ms fall {checks.fall} rise {checks.rise}"
    if access.tls is not None:  # clients' TLS goes through to Redis, and only the checks are HAProxy's own
        every += f" check-ssl verify required ca-file {access.tls.ca} crt {both(access.tls)}"
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
        f"tcp-check connect{' ssl' if access.tls else ''}",
        *(f'tcp-check send "{send}\\r\\n"\ntcp-check expect string {expect}' for send, expect in asked),
        f"default-server check {every} on-marked-down shutdown-sessions",
        *(f"server {name} {address}:{port}" for name, (address, port) in servers.items()),
    ]
    return "\n".join(lines) + "\n"
