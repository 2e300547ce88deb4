"""Which level is found, and what is said of it. What the kernel refuses is a function of the test's own."""

from pathlib import Path

import pytest

from chaos.cluster.base import Ability
from chaos.cluster.local import level
from chaos.cluster.local.level import (
    LOOPBACK,
    NAMESPACES,
    VARIABLE,
    Level,
    lacking,
    no_loopback,
    usable_level,
)
from chaos.cluster.local.servers import Server
from chaos.errors import ScenarioError, SetupError

REFUSED = "no network namespaces of our own here (PermissionError: [Errno 1] Operation not permitted)"


@pytest.fixture(autouse=True)
def machine(monkeypatch):
    """Sets what the machine says to each try; unset, nothing is refused."""
    monkeypatch.delenv(VARIABLE, raising=False)

    def says(namespaces: str = "", loopback: str = "") -> None:
        monkeypatch.setattr(level, "TRIES", {NAMESPACES: lambda: namespaces, LOOPBACK: lambda: loopback})

    says()
    return says


def test_a_machine_that_allows_namespaces_loses_nothing():
    assert usable_level() == Level(NAMESPACES)
    assert usable_level().cannot == {}
    assert str(usable_level()) == "processes in network namespaces of this machine"


def test_where_namespaces_are_refused_it_is_loopback_and_says_what_is_lost_and_why(machine):
    machine(namespaces=REFUSED)
    found = usable_level()
    assert found == Level(LOOPBACK, REFUSED)
    assert found.cannot.keys() == {Ability.CUT, Ability.LINK, Ability.DELAY}
    lost = f"(level loopback: {REFUSED}; lost: cut, netem, slow links)"
    assert str(found) == f"processes at loopback addresses of this machine {lost}"


def test_what_cannot_be_done_here_is_said_with_the_reason():
    redis = Server(Path("redis-server"), "redis", "7.2.4")
    cannot = lacking(Level(LOOPBACK, REFUSED), redis)
    assert "no member has a network of its own" in cannot[Ability.CUT]
    assert cannot[Ability.COORDINATED].endswith("has none; Valkey has it from version 9 on")
    assert "there is no node that could go" in cannot[Ability.NODE]
    assert Ability.COORDINATED not in lacking(Level(LOOPBACK), Server(Path("valkey-server"), "valkey", "9.1.2"))
    assert Ability.KILL not in cannot


def test_where_both_are_refused_there_is_the_sample_and_no_run(machine):
    machine(namespaces=REFUSED, loopback="no loopback address but 127.0.0.1 here (it said so)")
    with pytest.raises(SetupError, match=r"Operation not permitted.*it said so.*failover report --sample"):
        usable_level()


def test_a_level_can_be_asked_for_where_the_machine_could_do_more(monkeypatch):
    monkeypatch.setenv(VARIABLE, LOOPBACK)
    assert usable_level() == Level(LOOPBACK, "FAILOVER_LEVEL asks for it")


def test_a_level_that_is_asked_for_is_not_replaced_by_another(machine, monkeypatch):
    machine(namespaces=REFUSED)
    monkeypatch.setenv(VARIABLE, NAMESPACES)
    with pytest.raises(SetupError, match="no network namespaces of our own"):
        usable_level()


def test_a_level_that_there_is_not_is_named_with_those_that_there_are(monkeypatch):
    monkeypatch.setenv(VARIABLE, "sample")
    with pytest.raises(ScenarioError, match='"sample" is no level; write namespaces or loopback, or unset it'):
        usable_level()


def test_a_kernel_that_gives_no_other_address_says_so(monkeypatch):
    assert no_loopback() == ""
    monkeypatch.setattr(level, "LOOPBACK_ADDRESS", "192.0.2.1")
    assert "no loopback address but 127.0.0.1 here ([Errno 99]" in no_loopback()


@pytest.mark.netns
def test_namespaces_are_tried_for_real():
    assert level.no_namespaces() == ""
