"""Which labels to write once it is known who is master, and whom to believe. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from chaos.cluster.local.controller.board import Address, Label, Pod


@dataclass(frozen=True, slots=True)
class Word:
    """Whom a Sentinel names. `epoch` is that of the configuration: a higher one is newer."""

    epoch: int
    master: Address


def moving(master: Address, pods: Sequence[Pod]) -> Iterator[Label]:
    """What brings the label to the pod at `master`. Nothing where no pod is there: better an old endpoint than none."""
    redis = [pod for pod in pods if pod.component == "redis"]
    if all(pod.address != master for pod in redis):
        return
    yield from (Label(pod.name, "master") for pod in redis if pod.address == master and pod.role != "master")
    yield from (Label(pod.name, "slave") for pod in redis if pod.address != master and pod.role == "master")


def newest(words: Iterable[Word | None]) -> Address | None:
    """Of what Sentinels said the newest: one that was cut off names the master of before until it hears of another."""
    said = [word for word in words if word]
    return max(said, key=lambda word: word.epoch).master if said else None
