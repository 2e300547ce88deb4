"""A system that answers a reconcile's calls from memory, and remembers what was done to it."""

from dataclasses import dataclass, field, replace
from typing import Any

from chaos.cluster.local.controller import Address, Label, ListedPod, Task
from chaos.operators.spotahome.reconcile import Action, Failed, LogNote, Look, RedisCall, reconcile

PORT, SENTINEL_PORT = 6379, 26379
ITSELF = ("127.0.0.1", PORT)
SPEC = Task(
    mode="resync",
    every_s=30.0,
    master="mymaster",
    replicas=2,
    sentinels=3,
    quorum=2,
    settings={"redis": {"appendonly": "yes"}, "sentinel": {"down-after-milliseconds": 5000}},
)


def redis(ordinal: int, **fields: Any) -> ListedPod:
    pod = ListedPod(name=f"r-{ordinal}", component="redis", ip=f"10.0.0.{ordinal}", port=PORT, role="slave")
    return replace(pod, **fields)


def sentinel(ordinal: int) -> ListedPod:
    return ListedPod(name=f"s-{ordinal}", component="sentinel", ip=f"10.0.1.{ordinal}", port=SENTINEL_PORT)


@dataclass
class World:
    """`follows` has whom each Redis follows, None for a master.

    `silent` are pods that answer no call, `late` those that do not answer their first.

    The master label is where `labelled` says at first; `watched`, `known` and `status` are what every Sentinel says.
    """

    follows: list[Address | None]
    labelled: int | None = None
    watched: Address = ("10.0.0.0", PORT)
    known: tuple[int, int] = (2, 3)
    status: str = "ok"
    quorum: bool = True
    silent: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    refused: str = ""
    done: list[Action] = field(default_factory=list)
    pods: tuple[ListedPod, ...] = ()
    ended: str = ""

    def __post_init__(self) -> None:
        roles = ["master" if number == self.labelled else "slave" for number in range(3)]
        self.pods = (*(redis(number, role=roles[number]) for number in range(3)), *map(sentinel, range(3)))

    def change(self, name: str, **fields: Any) -> None:
        self.pods = tuple(replace(pod, **fields) if pod.name == name else pod for pod in self.pods)

    def reconciled(self) -> "World":
        """One reconcile, to its end or to the error that it ends with."""
        steps = reconcile(SPEC)
        try:
            action = next(steps)
            while True:
                self.done.append(action)
                try:
                    done = self._do(action)
                except Failed as error:
                    action = steps.throw(error)
                else:
                    action = steps.send(done)
        except StopIteration:
            return self
        except Failed as error:
            self.ended = str(error)
            return self

    def _do(self, action: Action) -> object:
        if isinstance(action, Look):
            return self.pods
        if isinstance(action, Label):
            self.change(action.pod, role=action.role)
        return self._answer(action) if isinstance(action, RedisCall) else None

    def _answer(self, call: RedisCall) -> object:
        pod = next(pod for pod in self.pods if pod.address == call.address)
        text = " ".join(str(word) for word in call.words)
        if pod.name in self.silent | self.late:
            self.late.discard(pod.name)
            raise Failed(f"{pod.ip}:{pod.port}: i/o timeout")
        if self.refused and self.refused in text:
            raise Failed("ERR refused")
        number = int(pod.name[-1])
        if text.startswith("SLAVEOF"):
            self.follows[number] = None if text == "SLAVEOF NO ONE" else (str(call.words[1]), int(call.words[2]))
        return self._says(text, number)

    def _says(self, text: str, number: int) -> object:
        if text == "INFO replication":
            follows = self.follows[number]
            return "role:master" if not follows else f"role:slave\r\nmaster_host:{follows[0]}\r\nmaster_port:{PORT}"
        if text == "INFO sentinel":
            slaves, sentinels = self.known
            return f"master0:name=mymaster,status={self.status},address=a:1,slaves={slaves},sentinels={sentinels}"
        if text == "SENTINEL MASTER mymaster":
            return ["name", "mymaster", "ip", self.watched[0], "port", str(self.watched[1])]
        if text.startswith("SENTINEL CKQUORUM") and not self.quorum:
            raise Failed("NOQUORUM 1 usable Sentinels.")
        return "OK"

    # What became of it.

    @property
    def labels(self) -> list[str]:
        return [f"{action.pod} {action.role}" for action in self.done if isinstance(action, Label)]

    @property
    def notes(self) -> list[str]:
        return [action.text for action in self.done if isinstance(action, LogNote)]

    @property
    def commands(self) -> list[str]:
        """Those that change something, each with the pod that it went to."""
        names = {pod.address: pod.name for pod in self.pods}
        calls = [action for action in self.done if isinstance(action, RedisCall)]
        said = [f"{names[call.address]} {' '.join(str(word) for word in call.words)}" for call in calls]
        return [words for words in said if not any(word in words for word in ("INFO", "MASTER ", "CKQUORUM"))]

    def asked(self, name: str) -> int:
        """How many calls went to this pod."""
        address = next(pod.address for pod in self.pods if pod.name == name)
        return sum(isinstance(action, RedisCall) and action.address == address for action in self.done)
