"""In an application client: redis-py waits without end, to connect and for a reply, as before version 8."""

from tests.local.tampered import runs

if runs("chaos.client.libraries"):
    import redis

    _init = redis.Connection.__init__

    def without_time_outs(self: redis.Connection, **arguments: object) -> None:
        _init(self, **{"socket_timeout": None, "socket_connect_timeout": None, **arguments})

    redis.Connection.__init__ = without_time_outs  # type: ignore[method-assign,assignment]
