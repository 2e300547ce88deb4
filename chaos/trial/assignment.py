"""The spec of a trial that its worker gets, and what follows from it: the clients, the agent's spec, the manifest."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import count
from pathlib import Path
from platform import python_version
from typing import Any, Literal, Self

from chaos import __version__
from chaos.agent.orders import AgentSpec
from chaos.client.spec import ClientSpec, Connection, Load
from chaos.clock import AGENT, HOST, identity
from chaos.cluster.base import Members
from chaos.experiment.written import Experiment
from chaos.record.layout import FORMAT
from chaos.scenario import Scenario
from chaos.scenario.clients import Client
from chaos.scenario.settings import names_of

LIBRARIES = {"chaostoolkit-lib": "chaostoolkit-lib", "redis-py": "redis", "hiredis": "hiredis"}
BEYOND_S = 1800.0
"""If its host is gone, the agent lives this much longer than all the time limits of its trial."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialSpec:
    """One trial to play. The worker gets it as a line of JSON.

    `number` counts the trials of the campaign. `nth` of `of` counts those of this experiment. `scenario` is the
    scenario as JSON. `ref` is what the worker needs to connect to the platform, and `cluster` is the manifest's
    description of the platform. `run` is the directory of the run that plays the trial. `variant` names the variant of
    the scenario, and is empty if there is only one.
    """

    campaign: str
    number: int
    nth: int
    of: int
    experiment: str
    seed: int
    directory: str
    scenario: dict[str, Any]
    ref: dict[str, str]
    cluster: dict[str, Any]
    system: Literal["fresh", "re-used"]
    run: str
    variant: str = ""

    def line(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, line: str) -> Self:
        return cls(**json.loads(line))


def agent_spec(spec: TrialSpec, scenario: Scenario, members: Members) -> AgentSpec:
    clients = tuple(client_specs(scenario))
    limit_s = limits_s(scenario)
    load = Load(
        deadline_s=scenario.deadline,
        keys=f"failover:{spec.campaign}:{spec.number}:",
        ttl_s=int(limit_s + BEYOND_S),
        database=scenario.database,
        master=scenario.system.place.sentinel.master,
    )
    return AgentSpec(
        clients=clients,
        load=load,
        members=tuple(members.values()),
        names=tuple(sorted({client.address for client in clients})),
        limit_s=limit_s,
        settings=tuple(tuple(names_of(name)) for name in scenario.system.settings.redis),
    )


def limits_s(scenario: Scenario) -> float:
    """Return the longest duration of a trial: its time limits, and half an hour for the waits of its experiment."""
    limits = scenario.limits
    waits = (limits.healthy, limits.baseline, scenario.system.period, 2 * limits.recovery, 2 * limits.watch)
    return sum(waits) + BEYOND_S


def client_specs(scenario: Scenario) -> Iterator[ClientSpec]:
    """Yield the clients, in the scenario's order.

    Meters use each path both with new connections and with a kept one. An application connects as its library does.
    """
    numbers = count()
    for path, client in scenario.clients.items():
        ways: tuple[Connection, ...] = ("kept",) if client.is_application else ("new", "kept")
        for way in ways:
            for _ in range(client.count):
                yield _client(next(numbers), path, way, client, scenario.folder)


def _client(number: int, path: str, connection: Connection, client: Client, folder: str) -> ClientSpec:
    return ClientSpec(
        number=number,
        kind="application" if client.is_application else "meter",
        path=path,
        connection=connection,
        address=client.address or client.sentinel or "",
        rate_hz=client.rate_each,
        via_sentinel=client.sentinel is not None,
        library=client.library or "",
        client=client.client or "",
        command=client.command or (),
        folder=folder if client.is_of_the_user else "",
        started_in=str(Path.cwd()) if client.is_of_the_user else "",
        audited=client.audit,
        gate=client.gate,
    )


def manifest(spec: TrialSpec, scenario: Scenario, experiment: Experiment, agent: AgentSpec) -> dict[str, Any]:
    """Return the trial's manifest as it is known at the start.

    Quantities of the scenario are written as in its file.
    """
    return {
        "format": FORMAT,
        "campaign": spec.campaign,
        "trial": spec.number,
        "experiment": experiment.as_json(),
        "scenario": scenario.model_dump(mode="json"),
        "cluster": spec.cluster,
        "seed": spec.seed,
        "versions": versions(),
        "clients": [asdict(client) for client in agent.clients],
        "members": [member.as_json() for member in agent.members],
        "domains": {HOST: identity(), AGENT: {}},
        "deadline_s": agent.load.deadline_s,
        "keys": agent.load.keys,
        "system": spec.system,
        "variant": spec.variant,
        "started": utc_now(),
    }


def versions() -> dict[str, str]:
    libraries = {name: version(distribution) for name, distribution in LIBRARIES.items()}
    return {"failover": __version__, "python": python_version(), **libraries}


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
