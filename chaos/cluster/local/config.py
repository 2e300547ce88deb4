"""Write each member's configuration file and the system's certificates, and tell a member's data folder and command.

In most endpoint modes a file is written once, before the first start. From then on the server owns it: CONFIG REWRITE
stores in it which master a Redis follows. In mode `resync` a Redis gets the operator's file instead: it follows itself
and has none of the declared settings, which the operator sets by CONFIG SET and which are lost with the process. The
operator mounts that file read-only, so it is written anew before every start.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path

from packaging.version import Version

from chaos.access import REDIS, Access, Accesses, Tls
from chaos.cluster.local.platform import Plan
from chaos.cluster.local.pod import LocalPod
from chaos.cluster.local.servers import Server, find_openssl
from chaos.errors import SetupError
from chaos.model import MemberKind
from chaos.scenario.places import PROXY_BACKEND, PROXY_STATS
from chaos.scenario.scenario import System
from chaos.scenario.settings import SEVERAL_WORDS, ProxySettings

LOOPBACK = "127.0.0.1"
DEBUG_REFUSED = 7
"""The first major version of Redis that refuses DEBUG unless its settings allow it."""
CONTROLLER = "chaos.operators"
"""The controller's module, as a string because this layer must not import it."""
_TEMPLATE = {"down-after-milliseconds": 1000, "failover-timeout": 3000, "parallel-syncs": 2}
"""The settings in the operator's file for Sentinel. They hold until the operator first reconciles."""
_DAYS = "2"
"""How long the certificates are valid: longer than any trial."""
MAKE_S = 20.0
_SIGNS = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
"""The key usage of the authority. Python from 3.13 on refuses an authority without it, and a certificate that does not
name its authority's key."""
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")
"""A P-256 key. A TLS handshake with an RSA key costs the server ten times as much CPU, and meters make hundreds a
second."""
_OWN = re.compile(r"^(bind|replica-announce-ip|sentinel announce-ip) .*$", re.MULTILINE)


class Recipes:
    """Writes the configuration files of each member. A member's folder in `home` outlives its process and its
    replacement, as a volume does. When each file is written, the module's docstring says.
    """

    def __init__(self, plan: Plan, home: Path) -> None:
        self._plan = plan
        self._local = plan.system.on_local
        self._home = home
        self._redis: dict[str, tuple[str, int]] = {}

    def first(self, pod: LocalPod, master: tuple[str, int] | None) -> None:
        """Prepare the first start. `master` is the master to follow or to monitor, or None for the master itself."""
        self.data(pod).mkdir(parents=True)
        if pod.kind is MemberKind.REDIS:
            self._redis[pod.name] = pod.ip_port
        self._write(pod, master)

    def restarted(self, pod: LocalPod) -> None:
        """Write the files with which the pod's process can be started again at the same address."""
        if is_template(self._plan.system) and pod.kind is MemberKind.REDIS:
            self._write(pod, None)

    def replaced(self, pod: LocalPod, master: tuple[str, int]) -> None:
        """Prepare the start of a member that replaces a removed one.

        `master` is the master that a Sentinel monitors if its file is new.
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
        """Prepare the restart of a Redis that has asked Sentinel: it follows `master`, or is master if that is None."""
        self._write(pod, master)

    def command(self, pod: LocalPod) -> list[str]:
        if pod.kind is MemberKind.OPERATOR:
            return [sys.executable, "-m", CONTROLLER]
        if pod.kind is MemberKind.PROXY:
            assert self._plan.haproxy is not None
            return [str(self._plan.haproxy), "-db", "-f", str(self._conf(pod))]  # in the foreground, as one process
        return command(self._plan.server, self._conf(pod), pod.kind is MemberKind.SENTINEL)

    def data(self, pod: LocalPod) -> Path:
        """Return the working directory of the member's process."""
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
    """Return the address at which a member reaches itself. This is 127.0.0.1 if the member has a network of its own. A
    member at a loopback address shares 127.0.0.1 with others.
    """
    return address if IPv4Address(address).is_loopback else LOOPBACK


def redis_conf(system: System, *, address: str, port: int, directory: Path, master: tuple[str, int] | None) -> str:
    """Return the file of a Redis that follows `master`, or of a master; in mode `resync` the operator's file."""
    access = Accesses.from_environment().redis
    lines = [*_common(address, port, directory, access), *_announced("replica-announce-ip", address)]
    lines += [f"masteruser {access.user}"] if access.user else []
    lines += [f"masterauth {_word(access.password)}"] if access.password else []
    if is_template(system):
        return _text([*lines, f"slaveof {itself(address)} {port}", "tcp-keepalive 60", "save 900 1", "save 300 10"])
    lines += [f"replicaof {master[0]} {master[1]}"] if master else []
    for name, value in system.settings.redis.items():
        lines += setting_lines(name, value)
    return _text(lines)


def setting_lines(name: str, value: str | int) -> list[str]:
    """Return the lines of Redis's file that set this setting, as every version from 6.2 on reads them."""
    words = str(value).split()
    if name not in SEVERAL_WORDS or not words:
        return [f"{name} {_word(value)}"]
    each = SEVERAL_WORDS[name] or len(words)
    return [" ".join([name, *words[first : first + each]]) for first in range(0, len(words), each)]


def sentinel_conf(system: System, *, address: str, port: int, directory: Path, master: tuple[str, int]) -> str:
    """Return the file, which Sentinel rewrites, to monitor `master`; in mode `resync` the operator's file."""
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
    """Return the path of the file with a certificate and its key together, as HAProxy needs it."""
    return Path(tls.certificate).with_suffix(".pem")


def command(server: Server, conf: Path, sentinel: bool) -> list[str]:
    """Return the command that starts a server. The server logs to standard output. DEBUG is enabled, because a fault
    may need it and Redis from version 7 on refuses it by default.
    """
    if sentinel:
        return [str(server.program), str(conf), "--sentinel"]
    debug = ["--enable-debug-command", "yes"] if Version(server.version).major >= DEBUG_REFUSED else []
    return [str(server.program), str(conf), *debug]


def rebound(conf: str, address: str) -> str:
    """Return the same file for a member with another address. Only these lines contain the member's own address."""
    return _OWN.sub(lambda found: _bind(address) if found[1] == "bind" else f"{found[1]} {address}", conf)


def is_template(system: System) -> bool:
    """Return whether Redis starts from the operator's file, and gets its settings later."""
    return system.on_local.mode == "resync"


def quorum(system: System) -> int:
    """Return the declared quorum, or else a majority, as the operator chooses it."""
    return int(system.settings.sentinel.get("quorum", system.sentinels // 2 + 1))


def sentinel_settings(system: System) -> dict[str, str | int]:
    """Return the options for SENTINEL SET: the declared settings but the quorum, and the login."""
    return {name: value for name, value in system.settings.sentinel.items() if name != "quorum"} | redis_login()


def redis_login() -> dict[str, str]:
    """Return the settings with which a Sentinel logs in to Redis. Empty if no login is needed."""
    redis = Accesses.from_environment().redis
    login = {"auth-user": redis.user, "auth-pass": redis.password}
    return {name: value for name, value in login.items() if value}


def _common(address: str, port: int, directory: Path, access: Access) -> list[str]:
    lines = [_bind(address), f'dir "{directory}"', "protected-mode no", "daemonize no", 'logfile ""']
    if access.user:  # the default user, who needs no login, is switched off
        password = _word(f">{access.password}")
        lines += [f"user {access.user} on {password} ~* &* +@all", "user default off"]
    elif access.password:
        lines.append(f"requirepass {_word(access.password)}")
    tls = access.tls
    if tls is None:
        return [*lines, f"port {port}"]
    # Plain connections are off, and every client must have a certificate.
    lines += ["port 0", f"tls-port {port}", "tls-replication yes"]
    files = (("tls-ca-cert-file", tls.ca), ("tls-cert-file", tls.certificate), ("tls-key-file", tls.key))
    return [*lines, *(f'{name} "{path}"' for name, path in files)]


def _bind(address: str) -> str:
    return " ".join(dict.fromkeys(["bind", address, itself(address)]))


def _announced(option: str, address: str) -> list[str]:
    """Return the line that announces the address. At a loopback address every peer appears as 127.0.0.1 otherwise."""
    return [f"{option} {address}"] if itself(address) == address else []


def _word(value: str | int) -> str:
    """Return the value as one word of a configuration file, quoted if needed."""
    return str(value) if str(value).isalnum() else json.dumps(value, ensure_ascii=False)


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


def haproxy_conf(system: System, at: tuple[str, int], servers: Mapping[str, tuple[str, int]]) -> str:
    """Return the file of an HAProxy with the same checks as in scenarios/haproxy/proxy/config.yaml.

    HAProxy checks every Redis, and one that answers `role:master` is up. The recording reads HAProxy's stats socket.
    The file names the environment variable with the password, not the password.
    """
    checks, access = system.settings.proxy or ProxySettings(), Accesses.from_environment().redis
    asked = [("INFO replication", "role:master"), ("QUIT", "+OK")]
    if access.login:
        user = f"{access.user} " if access.user else ""
        asked.insert(0, (f"AUTH {user}${{{REDIS}PASSWORD}}", "+OK"))
    every = f"inter {checks.inter * 1000:.0f}ms fall {checks.fall} rise {checks.rise}"
    if access.tls is not None:  # HAProxy passes the clients' TLS through to Redis; only its checks speak TLS themselves
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
    return _text(lines)


def certificates(folder: Path, names: Sequence[str]) -> Tls:
    """Make an authority and one certificate in a new folder. It is valid for `names`; clients verify the first.

    All members and clients share the certificate, as with one Secret that every pod mounts. openssl makes it, because
    it is on nearly every machine.
    """
    folder.mkdir(mode=0o700)
    alternatives = ",".join(f"DNS:{name}" for name in names)
    (folder / "extensions").write_text(f"subjectAltName={alternatives}\nauthorityKeyIdentifier=keyid\n")
    authority = (
        "req",
        "-x509",
        *_KEY,
        "ca.key",
        "-out",
        "ca.crt",
        "-days",
        _DAYS,
        "-subj",
        "/CN=failover",
        *_SIGNS,
    )
    request = ("req", "-new", *_KEY, "tls.key", "-out", "tls.csr", "-subj", f"/CN={names[0]}")
    signed = (
        "x509",
        "-req",
        "-in",
        "tls.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        _DAYS,
    )
    for command in (authority, request, (*signed, "-extfile", "extensions", "-out", "tls.crt")):
        done = subprocess.run(
            [find_openssl(), *command], cwd=folder, capture_output=True, text=True, timeout=MAKE_S, check=False
        )
        if done.returncode:
            raise SetupError(f"openssl {command[0]} made no certificate: {done.stderr.strip()}")
    (folder / "ca.key").unlink()  # nothing more is signed
    ca, certificate, key = (str(folder / name) for name in ("ca.crt", "tls.crt", "tls.key"))
    tls = Tls(ca=ca, certificate=certificate, key=key, server_name=names[0])
    both(tls).write_bytes((folder / "tls.crt").read_bytes() + (folder / "tls.key").read_bytes())
    both(tls).chmod(0o600)
    return tls
