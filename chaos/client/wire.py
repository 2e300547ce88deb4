"""The bytes that a meter sends. The password is in here and in the kernel, and nowhere else."""

from chaos.client.spec import Load, key_of
from chaos.resp import pack


class Wire:
    """The commands of one trial's load, packed once where they do not change."""

    def __init__(self, load: Load, password: str | None) -> None:
        preamble = [("AUTH", password)] if password else []
        preamble += [("SELECT", str(load.database))] if load.database else []
        self._load = load
        key, value = b"k", b"x" * load.value_bytes
        self._begin, self._end = pack("SET", key, value, "PX", load.ttl_s * 1000).split(b"$1\r\nk")
        self.opening = b"".join(pack(*command) for command in [*preamble, ("INFO", "server")])
        """What a connection begins with. `INFO server` is the last of it: its reply says who answers."""
        self.opening_replies = len(preamble) + 1
        self.ask_master = pack("SENTINEL", "GET-MASTER-ADDR-BY-NAME", load.master)

    def operation(self, client: int, seq: int) -> bytes:
        """The write of one key that nothing else ever writes."""
        key = key_of(self._load, client, seq).encode()
        return b"%s$%d\r\n%s%s" % (self._begin, len(key), key, self._end)
