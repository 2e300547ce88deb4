"""How to connect to Redis and Sentinel: with or without TLS, as which user, with which password.

Our processes pass this on in environment variables, whose names are defined only here. So no file, log or command line
of ours contains a password. A user may put a password into a file and name the file. This module ships into pods and
uses the standard library only.
"""

import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from chaos.errors import SetupError
from chaos.model import MemberKind

REDIS, SENTINEL = "FAILOVER_REDIS_", "FAILOVER_SENTINEL_"
"""The prefixes of the variables. USER, PASSWORD, PASSWORD_FILE, TLS, or TLS_ and a field of Tls follow."""
YES = "yes"


@dataclass(frozen=True, kw_only=True, slots=True)
class Tls:
    """The TLS files in PEM, and the name that a server's certificate must have.

    Without `ca`, the authorities that this machine trusts are used. `certificate` and `key` are the client's, for
    servers that ask for one. Without `server_name`, the certificate must have the name of the host.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""
    server_name: str = ""

    @property
    def context(self) -> ssl.SSLContext:
        """The SSL context. Raises SetupError with the file that cannot be used. Each file is read once."""
        return _context(self)

    def name_for(self, host: str) -> str:
        """Return the name that the server's certificate must have."""
        return self.server_name or host


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """How to connect to one kind of server. Its `repr` does not show the password."""

    user: str = ""
    password: str = field(default="", repr=False)
    tls: Tls | None = None

    @property
    def login(self) -> tuple[str, ...]:
        """The command to log in. Empty if no login is needed."""
        if self.user:
            return "AUTH", self.user, self.password
        return ("AUTH", self.password) if self.password else ()

    @classmethod
    def read(cls, environment: Mapping[str, str], prefix: str) -> Self:
        """Read the variables with this prefix. Raises SetupError if the password's file cannot be read."""
        tls = {one.name: environment.get(f"{prefix}TLS_{one.name.upper()}", "") for one in fields(Tls)}
        return cls(
            user=environment.get(f"{prefix}USER", ""),
            password=environment.get(f"{prefix}PASSWORD", "") or password_in(environment, f"{prefix}PASSWORD_FILE"),
            tls=Tls(**tls) if environment.get(f"{prefix}TLS") == YES else None,
        )

    def variables(self, prefix: str) -> dict[str, str]:
        """Return the variables that `read` turns into an equal Access."""
        said = {"USER": self.user, "PASSWORD": self.password}
        if self.tls is not None:
            said |= {"TLS": YES} | {f"TLS_{one.name.upper()}": getattr(self.tls, one.name) for one in fields(Tls)}
        return {f"{prefix}{name}": value for name, value in said.items() if value}


PLAIN = Access()
"""No TLS and no login."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Accesses:
    """How to connect to the servers of a system. A proxy's stats socket has neither TLS nor a login."""

    redis: Access = PLAIN
    sentinel: Access = PLAIN

    def of(self, kind: MemberKind) -> Access:
        return {MemberKind.REDIS: self.redis, MemberKind.SENTINEL: self.sentinel}.get(kind, PLAIN)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        return cls(redis=Access.read(environment, REDIS), sentinel=Access.read(environment, SENTINEL))

    @classmethod
    def asked(cls, given: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Self:
        """Read the options of a command, and for missing ones the environment.

        TLS options apply to Redis and Sentinel alike.
        """
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
        """Return the variables for a child process, which reads them by `from_environment`."""
        return self.redis.variables(REDIS) | self.sentinel.variables(SENTINEL)

    def become_environment(self) -> None:
        """Set this process's environment so that it and its children connect in this way only."""
        for name in [name for name in os.environ if name.startswith((REDIS, SENTINEL))]:
            del os.environ[name]
        os.environ.update(self.environment())


def password_in(environment: Mapping[str, str], variable: str) -> str:
    """Return the first line of the file that a variable names. Empty if the variable is not set."""
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
    # Many private authorities make certificates that do not name the authority's key. Redis and redis-cli accept them.
    # Python from 3.13 on refuses them unless this flag is removed.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if tls.certificate:
        try:  # with an encrypted key, OpenSSL would ask on the terminal
            context.load_cert_chain(tls.certificate, tls.key or None, password=lambda: "")
        except OSError as error:
            files = f"{tls.certificate} and {tls.key}" if tls.key else tls.certificate
            raise SetupError(f"{files} hold no certificate with its key in PEM: {reason(error)}") from error
    return context


def trouble(error: OSError, shown: str, within_s: float, access: Access, prefix: str) -> str:
    """Say why a server at `shown` cannot be asked, and what helps. It should be one of `prefix`, REDIS or SENTINEL."""
    if isinstance(error, PermissionError):
        return denied(shown, str(error), prefix)
    text = next((text for kind, text in TROUBLES if isinstance(error, kind)), "{shown} cannot be reached: {reason}")
    usual = "Sentinel listens on 26379 as a rule" if prefix == SENTINEL else "Redis listens on 6379 as a rule"
    silent = "does that port speak TLS?" if access.tls else "does a firewall drop packets?"
    return text.format(shown=shown, within=f"{within_s:g} s", usual=usual, silent=silent, reason=reason(error))


TROUBLES: tuple[tuple[type[OSError], str], ...] = (
    (TimeoutError, "{shown} does not answer within {within}: is it the right address, and {silent}"),
    (socket.gaierror, "{shown}: the name does not resolve ({reason})"),
    (ssl.SSLError, "{shown}: TLS fails ({reason}): does it speak TLS, and is --cacert its authority?"),
    (ConnectionRefusedError, "nothing listens at {shown}: connection refused; {usual}"),
    (ConnectionAbortedError, "{shown} does not speak Redis's protocol ({reason}): is it the right port?"),
    (ConnectionResetError, "{shown} closes the connection at once: does it want --tls, or is it another port?"),
)
"""What each error of a connection means to the user."""


DENIED = ("NOAUTH", "WRONGPASS", "NOPERM")
"""How a reply begins by which Redis or Sentinel refuses a user."""


def denied(shown: str, said: str, prefix: str) -> str:
    """Say of a reply that a server refuses what it is asked, and what helps if it refuses the user."""
    if said.startswith("NOPERM"):
        return f"{shown} does not let this user ask what is needed: {said}"
    if not said.startswith(DENIED):
        return f"{shown} refuses: {said}"
    option = "--sentinel-password-file" if prefix == SENTINEL else "--password-file"
    what, it = (
        ("asks for a password", "it") if said.startswith("NOAUTH") else ("refuses this login", "the right password")
    )
    return (
        f"{shown} {what} ({said.partition(' ')[0]}): put {it} into the environment as {prefix}PASSWORD, "
        f"or into a file and give {option}"
    )


def reason(error: Exception) -> str:
    """Return why a file or a connection cannot be used, in the words of OpenSSL or the kernel."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is no text"
