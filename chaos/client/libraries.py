"""Clients of the libraries that people use, and of any function of theirs, each in a process of its own.

`python -m chaos.client.libraries redis-py-pool` keeps to docs/client-contract.md. `mymodule:write` may stand in place
of the library's name. No other file imports these libraries. Celery has a file of its own.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from chaos.access import Access, Accesses
from chaos.client.contract import Connect, Ready, Says, run
from chaos.model import split_address

OPENED, CLOSED = {"connection": "opened"}, {"connection": "closed"}
REPLACED = "FAILOVER_CLIENT_"
"""The beginning of the environment variables for a user's function: ADDRESS, SENTINEL, MASTER, DATABASE, PREFIX."""


class Telling:
    """Added to a connection class of redis-py or valkey-py. It reports when a connection is opened and closed."""

    tell: Says
    told = False

    def _connect(self) -> object:
        connected = super()._connect()  # type: ignore[misc]
        self.told = True
        self.tell(OPENED)
        return connected

    def disconnect(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401  the library's arguments, passed on
        super().disconnect(*arguments, **named)  # type: ignore[misc]
        if self.told:
            self.told = False
            self.tell(CLOSED)


class TellingAsync:
    """The asyncio form of `Telling`."""

    tell: Says
    told = False

    async def _connect(self) -> object:
        connected = await super()._connect()  # type: ignore[misc]
        self.told = True
        self.tell(OPENED)
        return connected

    async def disconnect(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401
        await super().disconnect(*arguments, **named)  # type: ignore[misc]
        if self.told:
            self.told = False
            self.tell(CLOSED)


def pool_of(module: str, to: Connect, tell: Says) -> Ready:
    """Return a client of redis-py, of valkey-py or of their asyncio forms, as services configure it.

    All other settings are the library's defaults, retries included. A client that asks Sentinel is the library's own
    client of Sentinel, and Sentinel's Service is the one Sentinel that it knows.
    """
    library, sentinels = import_module(module), import_module(f"{module}.sentinel")
    accesses = Accesses.from_environment()
    over = "" if accesses.redis.tls is None else "SSL"
    usual: dict[str, Any] = {
        **login(accesses.redis),
        "db": to.database,
        "max_connections": 20,
        "retry_on_timeout": True,
        "socket_keepalive": True,
        "health_check_interval": 30,
    }
    telling = {"tell": tell}
    before = TellingAsync if module.endswith("asyncio") else Telling
    (host, port), kind = split_address(to.address), "Valkey" if module.startswith("valkey") else "Redis"
    if to.via_sentinel:
        asking = {"socket_keepalive": True, "ssl": accesses.sentinel.tls is not None, **login(accesses.sentinel)}
        known = sentinels.Sentinel([(host, port)], sentinel_kwargs=asking)
        managed = getattr(sentinels, f"SentinelManaged{over}Connection")
        connection: type = type("TellingConnection", (before, managed), telling)
        client = known.master_for(to.master, connection_class=connection, **usual)
    else:
        connection = type("TellingConnection", (before, getattr(library, f"{over}Connection")), telling)
        pool = library.ConnectionPool(connection_class=connection, host=host, port=port, **usual)
        client = getattr(library, kind)(connection_pool=pool)
    name = module.partition(".")[0]
    return Ready(
        library=f"{name}-py",
        version=version(name),
        settings=time_outs(client.connection_pool),
        write=lambda key, value, ttl_ms: client.set(key, value, px=ttl_ms),
    )


def login(access: Access) -> dict[str, str | bool]:
    """Return the arguments of these libraries for a login and for the files of TLS.

    These libraries can check a certificate for no other name than that of the host. If another name is expected, the
    name is not checked here, as with users of these libraries. The authority is checked all the same.
    """
    said = {"username": access.user, "password": access.password}
    if (tls := access.tls) is not None:
        said |= {"ssl_ca_certs": tls.ca, "ssl_certfile": tls.certificate, "ssl_keyfile": tls.key}
    given: dict[str, str | bool] = {name: value for name, value in said.items() if value}
    return given | ({"ssl_check_hostname": not tls.server_name} if tls is not None else {})


def time_outs(pool: Any) -> dict[str, str | None]:  # noqa: ANN401  of any of these libraries
    """Return how long a pool's connections wait and how often they retry, in the library's own words.

    Versions differ in their defaults: redis-py 8 was the first to have time-outs at all.
    """
    connection = pool.connection_class(**pool.connection_kwargs)  # nothing is connected yet
    values = {name: getattr(connection, name) for name in ("socket_timeout", "socket_connect_timeout")}
    said = {name: None if value is None else f"{value:g} s" for name, value in values.items()}
    return {**said, "retries": f"{connection.retry._retries}"}


def glide(to: Connect, _: Says) -> Ready:
    """Return GLIDE's synchronous client, which takes the address that it is given and knows nothing of Sentinel."""
    import glide_sync as library

    host, port = split_address(to.address)
    access = Accesses.from_environment().redis
    more: dict[str, Any] = {}
    if access.user or access.password:
        more["credentials"] = library.ServerCredentials(access.password, access.user or None)
    if (tls := access.tls) is not None:
        if tls.server_name:
            raise ValueError(f"GLIDE takes no certificate that names {tls.server_name} and not its host")
        files = {"root_pem_cacerts": tls.ca, "client_cert_pem": tls.certificate, "client_key_pem": tls.key}
        pem: dict[str, Any] = {name: Path(file).read_bytes() for name, file in files.items() if file}
        secure = library.AdvancedGlideClientConfiguration(tls_config=library.TlsAdvancedConfiguration(**pem))
        more |= {"use_tls": True, "advanced_config": secure}
    at = [library.NodeAddress(host, port)]
    client = library.GlideClient.create(library.GlideClientConfiguration(addresses=at, database_id=to.database, **more))

    def write(key: str, value: str, ttl_ms: int) -> None:
        client.set(key, value, expiry=library.ExpirySet(library.ExpiryType.MILLSEC, ttl_ms))

    return Ready(
        library="valkey-glide",
        version=version("valkey-glide-sync"),
        settings={"request_timeout": "0.25 s (its default)", "reconnect_strategy": "its default, without end"},
        write=write,
        close=client.close,
    )


def function(named: str, to: Connect, _: Says) -> Ready:
    """Return a client that calls a user's function, `module:function`, plain or async, as `function(key, value)`.

    What else the function needs to know is in its environment, so that its module can connect when it is imported. If
    the function has an attribute `settings`, this says its time-outs and retries.
    """
    told = {"MASTER": to.master, "DATABASE": str(to.database), "PREFIX": to.prefix}
    told["SENTINEL" if to.via_sentinel else "ADDRESS"] = to.address
    os.environ.update({f"{REPLACED}{name}": value for name, value in told.items()})
    module, _colon, name = named.partition(":")
    sys.path[:0] = [path for path in os.environ.get("FAILOVER_CLIENT_PATH", "").split(os.pathsep) if path]
    call = getattr(import_module(module), name)
    return Ready(
        library=named,
        version=_version_of(module),
        settings=getattr(call, "settings", {}),
        write=lambda key, value, ttl_ms: call(key, value),
    )


def _version_of(module: str) -> str:
    """Return the version of the distribution that a module belongs to, or an empty string for a mere file."""
    top = module.partition(".")[0]
    try:
        return version(next(iter(packages_distributions().get(top, [])), top))
    except PackageNotFoundError:
        return ""


LIBRARIES: dict[str, Callable[[Connect, Says], Any]] = {
    "redis-py-pool": partial(pool_of, "redis"),
    "redis-py-asyncio": partial(pool_of, "redis.asyncio"),
    "valkey-py": partial(pool_of, "valkey"),
    "valkey-py-asyncio": partial(pool_of, "valkey.asyncio"),
    "valkey-glide": glide,
}
"""Maps the names that a scenario writes as `library` to the functions that make such a client."""


def main() -> None:
    name = sys.argv[1]
    run(LIBRARIES[name] if name in LIBRARIES else partial(function, name))


if __name__ == "__main__":
    main()
