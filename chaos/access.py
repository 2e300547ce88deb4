"""How we connect to a Redis and to a Sentinel: with TLS or without, as which user, and with which password.

One of our processes tells the next by environment variables, which are named here and nowhere else. So no file of ours,
no log and no argument of a process ever holds a password. A person may put a password into a file and name that file.
This module ships into pods and needs the standard library only.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from chaos.errors import SetupError
from chaos.model import MemberKind

REDIS, SENTINEL = "FAILOVER_REDIS_", "FAILOVER_SENTINEL_"
"""What the variables of each begin with. USER, PASSWORD, PASSWORD_FILE, TLS, or TLS_ and a field of Tls follow."""
YES = "yes"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tls:
    """The files, in PEM, by which we and a server recognise each other, and the name that its certificate has to bear.

    Without `ca`, the authorities that this machine trusts count. `certificate` and `key` are ours, for a server that
    asks for one. Without `server_name` a certificate has to name the host that is connected to.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""
    server_name: str = ""

    @property
    def context(self) -> ssl.SSLContext:
        """Raises SetupError, with the file that cannot be used. Each file is read once."""
        return _context(self)

    def name_for(self, host: str) -> str:
        """Return the name that is asked for in the handshake, and that the certificate has to bear."""
        return self.server_name or host


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """How servers of one kind are connected to. Its `repr` does not show the password."""

    user: str = ""
    password: str = field(default="", repr=False)
    tls: Tls | None = None

    @property
    def login(self) -> tuple[str, ...]:
        """The command that logs in; empty where none is needed."""
        if self.user:
            return "AUTH", self.user, self.password
        return ("AUTH", self.password) if self.password else ()

    @classmethod
    def read(cls, environment: Mapping[str, str], prefix: str) -> Self:
        """Return what the variables that begin with `prefix` say.

        Raises SetupError if the password's file cannot be read.
        """
        tls = {one.name: environment.get(f"{prefix}TLS_{one.name.upper()}", "") for one in fields(Tls)}
        return cls(
            user=environment.get(f"{prefix}USER", ""),
            password=environment.get(f"{prefix}PASSWORD", "") or password_in(environment, f"{prefix}PASSWORD_FILE"),
            tls=Tls(**tls) if environment.get(f"{prefix}TLS") == YES else None,
        )

    def variables(self, prefix: str) -> dict[str, str]:
        """Return the variables from which `read` makes the same."""
        said = {"USER": self.user, "PASSWORD": self.password}
        if self.tls is not None:
            said |= {"TLS": YES} | {f"TLS_{one.name.upper()}": getattr(self.tls, one.name) for one in fields(Tls)}
        return {f"{prefix}{name}": value for name, value in said.items() if value}


PLAIN = Access()
"""Neither TLS nor a login."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Accesses:
    """How the servers of a system are connected to. A proxy's stats socket knows neither TLS nor a login."""

    redis: Access = PLAIN
    sentinel: Access = PLAIN

    def of(self, kind: MemberKind) -> Access:
        return {MemberKind.REDIS: self.redis, MemberKind.SENTINEL: self.sentinel}.get(kind, PLAIN)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        return cls(redis=Access.read(environment, REDIS), sentinel=Access.read(environment, SENTINEL))

    @classmethod
    def asked(cls, given: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Self:
        """Read the options of a command, and for the rest the environment. TLS holds for Redis and Sentinel alike."""
        files = {"ca": "cacert", "certificate": "cert", "key": "key", "server_name": "server_name"}
        tls = {name: str(given[option]) for name, option in files.items() if given.get(option)}
        known = dict(environment)
        for prefix, of in ((REDIS, ""), (SENTINEL, "sentinel_")):
            if given.get(f"{of}user"):
                known[f"{prefix}USER"] = given[f"{of}user"]
            if given.get(f"{of}password_file"):
                known |= {f"{prefix}PASSWORD": "", f"{prefix}PASSWORD_FILE": str(given[f"{of}password_file"])}
            if given.get("tls") or tls:
                known |= {f"{prefix}TLS": YES} | {f"{prefix}TLS_{name.upper()}": value for name, value in tls.items()}
        return cls.from_environment(known)

    def environment(self) -> dict[str, str]:
        """Return the variables to give to a process of ours, which reads them by `from_environment`."""
        return self.redis.variables(REDIS) | self.sentinel.variables(SENTINEL)

    def become_environment(self) -> None:
        """Let this process and all that it starts connect in this way and in no other."""
        for name in [name for name in os.environ if name.startswith((REDIS, SENTINEL))]:
            del os.environ[name]
        os.environ.update(self.environment())


def password_in(environment: Mapping[str, str], variable: str) -> str:
    """Return the first line of the file that a variable names; empty if it names none."""
    path = environment.get(variable, "")
    if not path:
        return ""
    try:
        return Path(path).read_text().partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{variable}: {path} cannot be read: {reason(error)}") from error


@lru_cache
def _context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca or None)
    except OSError as error:
        raise SetupError(f"{tls.ca} holds no certificate of an authority in PEM: {reason(error)}") from error
    # Redis and redis-cli take a certificate that does not name its authority's key, and many private authorities make
    # such ones. From 3.13 on, Python refuses them unless this flag is taken away.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if tls.certificate:
        try:  # with an encrypted key, OpenSSL would ask on the terminal
            context.load_cert_chain(tls.certificate, tls.key or None, password=lambda: "")
        except OSError as error:
            files = f"{tls.certificate} and {tls.key}" if tls.key else tls.certificate
            raise SetupError(f"{files} hold no certificate with its key in PEM: {reason(error)}") from error
    return context


def reason(error: Exception) -> str:
    """Return why a file or a connection cannot be used, in the words of OpenSSL or of the kernel."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is no text"
