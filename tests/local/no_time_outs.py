"""In an application client: redis-py waits without end, to connect and for a reply, as before version 8."""

from tests.local.tampered import runs

if runs("chaos.client.application"):
    import redis

    _from_url = redis.ConnectionPool.from_url

    def without_time_outs(url: str, **arguments: object) -> redis.ConnectionPool:
        given = {"socket_timeout": None, "socket_connect_timeout": None, **arguments}
        return _from_url(url, **given)

    redis.ConnectionPool.from_url = without_time_outs  # type: ignore[method-assign]
