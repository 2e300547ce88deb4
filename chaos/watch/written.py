"""Makes what a watch writes beside its record: campaign.json, and the manifest of each entry, with its scenario."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from chaos import __version__
from chaos.client.spec import ClientSpec, Connection, Load
from chaos.clock import AGENT, HOST, identity, mono_ns
from chaos.linux import machine
from chaos.model import Member, MemberKind
from chaos.record.events import (
    Event,
    FaultAccepted,
    FaultConfirmed,
    FaultEffect,
    FaultRequested,
    Onset,
    Stamped,
)
from chaos.record.layout import FORMAT
from chaos.trial.assignment import utc_now, versions
from chaos.watch.guest import GuestWish
from chaos.watch.processes import UserCommand

WATCHED = "watched"
"""The kind of cluster of a watch's record."""
WAYS: tuple[Connection, ...] = ("new", "kept")


@dataclass(frozen=True, kw_only=True, slots=True)
class Described:
    """What campaign.json and all manifests have in common: the directory's name, what is watched, and since when."""

    asked: GuestWish
    campaign: str
    name: str
    started: str

    def campaign_json(self, outcome: dict[str, Any]) -> dict[str, Any]:
        asked = asdict(self.asked) | {"out": str(self.asked.out), "maps": dict(self.asked.maps)}
        return {
            "format": FORMAT,
            "name": self.campaign,
            "version": __version__,
            "command": self.asked.shown,
            "scenario": self.name,
            "cluster": WATCHED,
            "cluster_why": "",
            "machine": machine(),
            "parallel": 1,
            "experiments": [],
            "left_out": [],
            "trials": 0,
            "claim": "",
            "seed": 0,
            "started": self.started,
            "options": asked,
            "watch": {"ended": utc_now(), **outcome},
        }

    def manifest_json(self, number: int, kind: str, load: Load, members: Sequence[Member]) -> dict[str, Any]:
        """Return the manifest of an entry. `kind` is a key of TITLES."""
        experiment = {
            "name": kind,
            "title": TITLES[kind],
            "description": "Watched from outside: what caused it is known only as far as its clients could see.",
            "expects": "nothing" if kind == "calm" else "any",
            "sha256": "",
        }
        return {
            "format": FORMAT,
            "campaign": self.campaign,
            "trial": number,
            "experiment": experiment,
            "scenario": scenario(self.asked, load, members),
            "cluster": {"kind": WATCHED, "name": self.name, "platform": {}, "images": {}},
            "seed": 0,
            "versions": versions(),
            "clients": [asdict(one) for one in client_specs(self.asked)],
            "members": [one.as_json() for one in members],
            "domains": {HOST: identity(), AGENT: identity()},
            "deadline_s": load.deadline_s,
            "keys": load.keys,
            "system": "re-used",
            "started": utc_now(),
        }


TITLES = {
    "command": "What the command did",
    "failover": "A failover that somebody else caused",
    "outage": "An outage that somebody else caused",
    "calm": "Nothing happened",
}
"""Maps each kind of entry to the title of its experiment."""


def origin(command: UserCommand | None, since: Stamped[Any] | None, begun_ns: int) -> list[Stamped[Event]]:
    """Return the events that set t = 0 of an entry: the command, what was seen first, or the middle of a calm time. The
    effect of a command lies between its begin and its end, and not after the first trouble that was seen.
    """
    if command is not None:
        name, begin_ns, end_ns = "command", command.begin_ns, command.end_ns or mono_ns()
        effect_ns = max(begin_ns, min(end_ns, since.at_ns) if since else end_ns)
        request = FaultRequested(fault=name, target=None, arguments={"command": list(command.words)})
        told: list[tuple[Event, int, int | None]] = [
            (request, begin_ns, None),
            (FaultAccepted(fault=name), begin_ns, None),
            (FaultEffect(fault=name), effect_ns, begin_ns),
            (FaultConfirmed(fault=name, evidence=command.how), max(effect_ns, end_ns), None),
        ]
        return [Stamped(event=event, domain=HOST, at_ns=at, since_ns=since_ns) for event, at, since_ns in told]
    if since is not None:
        return [since]
    middle_ns = (begun_ns + mono_ns()) // 2
    return [Stamped(event=Onset(what="nothing happened"), domain=HOST, at_ns=middle_ns, since_ns=middle_ns)]


def client_specs(asked: GuestWish) -> Iterator[ClientSpec]:
    """Yield the spec of each meter: one for every pair of a path and a way of connecting, `new` or `kept`."""
    numbers = count()
    first, *others = asked.sentinels or ("",)
    for path, address in paths(asked).items():
        via_sentinel = path == "sentinel"
        for way in WAYS:
            yield ClientSpec(
                number=next(numbers),
                kind="meter",
                path=path,
                connection=way,
                address=first if via_sentinel else address,
                rate_hz=asked.rate_hz,
                via_sentinel=via_sentinel,
                others=tuple(others) if via_sentinel else (),
            )


def paths(asked: GuestWish) -> dict[str, str]:
    """Return the address of each path: `sentinel`, `service`, `service-2` and so on."""
    services = {f"service-{number}" if number > 1 else "service": one for number, one in enumerate(asked.services, 1)}
    return {**({"sentinel": asked.sentinels[0]} if asked.sentinels else {}), **services}


def scenario(asked: GuestWish, load: Load, members: Sequence[Member]) -> dict[str, Any]:
    """Return what is watched as the scenario of an entry. Its promise is `--expect`."""
    limit = {} if asked.expect_s is None else {"limit": f"{asked.expect_s:g}s"}
    promised = {"recovery": limit, "downtime": limit} if limit else {}
    kinds = Counter(one.kind for one in members)
    clients = {
        path: {
            ("sentinel" if path == "sentinel" else "address"): address,
            "count": 1,
            "rate_each": f"{asked.rate_hz:g}/s",
        }
        for path, address in paths(asked).items()
    }
    addresses: dict[str, Any] = {"sentinels": list(asked.sentinels), **({"master": load.master} if load.master else {})}
    return {
        "name": "watch",
        "about": "A system that runs already, watched from outside",
        "system": {
            "addresses": addresses,
            "replicas": max(1, kinds[MemberKind.REDIS] - 1),
            "sentinels": max(1, kinds[MemberKind.SENTINEL]),
            "period": "1s",
        },
        "clients": clients,
        "targets": {
            **promised,
            "lost_before": {"limit": 0, "gate": not asked.read_only},
            "works_at_end": {"gate": True},
        },
        "limits": {"stable": f"{asked.stable_s:g}s", "watch": f"{asked.stable_s:g}s"},
        "deadline": f"{load.deadline_s:g}s",
        "database": load.database,
    }
