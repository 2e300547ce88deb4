"""Who is behind a Service, as it is said and as it is programmed."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from chaos.cluster.local.endpoints import LocalServices
from chaos.cluster.local.pod import LocalPod, Space
from chaos.model import MemberKind
from chaos.net.service import Service
from chaos.record.events import Stamped
from tests.cluster.local.systems import scenario

MASTER_ADDRESS, SENTINEL_ADDRESS = "10.96.0.10", "10.96.0.11"


class Programmed:
    """In the place of the kernel."""

    addresses = "10.96.0"

    def __init__(self) -> None:
        self.all: list[list[Service]] = []

    def apply(self, wanted: Sequence[Service], done: Callable[[], object]) -> None:
        self.all.append(list(wanted))
        done()

    @property
    def master(self) -> tuple[tuple[str, int], ...]:
        [service] = [one for one in self.all[-1] if one.address == MASTER_ADDRESS]
        assert service.port == 6379
        return service.endpoints


def pod(name: str, address: str, role: str | None = None, **state: bool) -> LocalPod:
    kind = MemberKind.REDIS if name.startswith("redis") else MemberKind.SENTINEL
    port = 6379 if kind is MemberKind.REDIS else 26379
    made = LocalPod(name=name, kind=kind, port=port, space=Space(0, address, 0), role=role)
    for key, value in state.items():
        setattr(made, key, value)
    return made


@pytest.fixture
def programmed():
    return Programmed()


@pytest.fixture
def said():
    return list[Stamped[Any]]()


@pytest.fixture
def endpoints(programmed, said):
    pods = {
        "redis-0": pod("redis-0", "10.93.1.1", "master", ready=True),
        "redis-1": pod("redis-1", "10.93.1.2", "slave", ready=True),
        "sentinel-0": pod("sentinel-0", "10.93.2.1", ready=True),
    }
    followed = LocalServices(scenario().system.on_local, pods, programmed, said.append)
    followed.announce()
    followed.follow()
    return pods, followed


def named(said: list[Stamped[Any]], service: str) -> list[list[dict[str, object]]]:
    return [one.event.endpoints for one in said if one.event.kind == "endpoints" and one.event.service == service]


def test_a_service_is_said_with_its_address_and_both_are_programmed(endpoints, programmed, said):
    _, followed = endpoints
    assert [one.event.cluster_ip for one in said if one.event.kind == "service"] == [MASTER_ADDRESS, SENTINEL_ADDRESS]
    assert followed.hosts == {"redis": MASTER_ADDRESS, "sentinel": SENTINEL_ADDRESS}
    assert programmed.master == (("10.93.1.1", 6379),)
    assert programmed.all[-1][1].endpoints == (("10.93.2.1", 26379),)
    ready = {"ready": True, "serving": True, "terminating": False}
    assert named(said, "redis") == [[{"ip": "10.93.1.1", "pod": "redis-0", **ready}]]


def test_it_follows_the_label(endpoints, programmed, said):
    pods, followed = endpoints
    pods["redis-0"].role = "slave"
    followed.follow()
    assert programmed.master == ()
    pods["redis-1"].role = "master"
    followed.follow()
    assert programmed.master == (("10.93.1.2", 6379),)
    assert [[each["pod"] for each in one] for one in named(said, "redis")] == [["redis-0"], [], ["redis-1"]]


def test_one_that_is_not_ready_is_said_and_not_programmed(endpoints, programmed, said):
    pods, followed = endpoints
    pods["redis-0"].ready = False
    followed.follow()
    assert programmed.master == ()
    assert [each["ready"] for each in named(said, "redis")[-1]] == [False]


def test_one_on_its_way_out_is_used_only_where_there_is_no_other(endpoints, programmed, said):
    pods, followed = endpoints
    pods["redis-0"].deleting = True
    followed.follow()
    assert programmed.master == (("10.93.1.1", 6379),)
    assert [each["terminating"] for each in named(said, "redis")[-1]] == [True]
    pods["redis-1"].role = "master"
    followed.follow()
    assert programmed.master == (("10.93.1.2", 6379),)


def test_what_changes_nothing_is_neither_said_nor_programmed(endpoints, programmed, said):
    """Programming begins the kernel's limit of refusals anew."""
    pods, followed = endpoints
    before = len(programmed.all), len(said)
    pods["redis-1"].restarts += 1
    followed.follow()
    assert (len(programmed.all), len(said)) == before
