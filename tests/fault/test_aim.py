"""Whom a fault aims at."""

from typing import Any

import pytest

from chaos.cluster.health import Facts
from chaos.errors import FaultError
from chaos.fault.aim import all_of, select
from tests.fault.remembers import MEMBERS, facts
from tests.saying import event


def test_targets_are_decided_from_what_is_known_now() -> None:
    known = facts()

    assert select("master", known).name == "rfr-1"
    assert select("replica", known).name == "rfr-0"
    assert select("rfs-a", known).name == "rfs-a"
    assert select("Primary", known).name == "rfr-1"
    assert select("slave", known).name == "rfr-0"
    assert select("operator", known).name == "operator"


def test_words_for_several_mean_each_member_once() -> None:
    known = facts()
    for name in ("rfr-0", "rfr-2"):
        said_of_it = {"address": MEMBERS[name].ip_port, "role": "slave", "run_id": name, "link": "up", "offset": 7}
        known.apply(event("role", member=name, **said_of_it))

    assert [one.name for one in all_of(["redis", "master"], known)] == ["rfr-0", "rfr-1", "rfr-2"]
    assert [one.name for one in all_of(["other-replicas"], known)] == ["rfr-2"]
    assert {one.name for one in all_of(["node-of:primary"], known)} == set(MEMBERS)
    with pytest.raises(FaultError, match="there are no two-sentinels"):
        all_of(["two-sentinels"], Facts())


@pytest.mark.parametrize(
    ("of_0", "of_2", "best"),
    [
        ({"offset": 7}, {"offset": 8}, "rfr-2"),
        ({"offset": 7, "run_id": "a"}, {"offset": 7, "run_id": "b"}, "rfr-0"),
        ({"offset": 7, "run_id": "b"}, {"offset": 7, "run_id": "a"}, "rfr-2"),
        ({"offset": 7}, {"offset": 8, "link": "connecting"}, "rfr-0"),
        ({"offset": 7, "priority": "10"}, {"offset": 8}, "rfr-0"),
        ({"offset": 7}, {"offset": 8, "priority": "0"}, "rfr-0"),
    ],
)
def test_the_best_replica_is_the_one_that_sentinel_would_promote(
    of_0: dict[str, Any], of_2: dict[str, Any], best: str
) -> None:
    known = facts()
    for name, said_of_it in (("rfr-0", dict(of_0)), ("rfr-2", dict(of_2))):
        read = {"replica-priority": said_of_it.pop("priority", "100")}
        given = {"role": "slave", "run_id": name, "link": "up", **said_of_it}
        known.apply(event("role", member=name, address=MEMBERS[name].ip_port, **given))
        known.apply(event("settings", member=name, component="redis", settings=read))

    assert select("best-replica", known).name == best


def test_a_sentinel_is_aimed_at_where_it_answers_and_the_leader_once_there_was_one() -> None:
    known = facts()
    with pytest.raises(FaultError, match="there is no any-sentinel"):
        select("any-sentinel", known)
    with pytest.raises(FaultError, match="there is no sentinel-leader"):
        select("sentinel-leader", known)
    known.apply(event("sentinel.state", sentinel="rfs-a"))
    known.apply(event("sentinel.event", sentinel="rfs-a", channel="+elected-leader", payload=""))

    assert select("any-sentinel", known).name == select("sentinel-leader", known).name == "rfs-a"


@pytest.mark.parametrize(("which", "masters"), [("master", ()), ("master", ("rfr-0", "rfr-1")), ("nobody", ("rfr-0",))])
def test_without_a_target_there_is_no_fault(which: str, masters: tuple[str, ...]) -> None:
    with pytest.raises(FaultError, match=f"there is no {which} to aim at; here are haproxy, operator"):
        select(which, facts(masters))
