"""What a recovered system would have, beside paths that look well."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from chaos.clock import mono_ns
from chaos.experiment.recovery import is_live, outstanding, recovered
from tests.cluster.test_health import SYSTEM, healthy, role, tell


def missing(
    facts: Any,
    expects: str = "failover",
    *,
    over: bool = True,
    held: tuple[str, ...] = (),
    good: tuple[bool, ...] = (True,),
) -> list[str]:
    """Of a trial whose paths are `good` or not, service/0 and so on; `over` says whether its failover is."""
    paths = {f"service/{number}": it for number, it in enumerate(good)}
    ops = SimpleNamespace(recovered=lambda *_: paths)
    observed = SimpleNamespace(ops=ops, seen=SimpleNamespace(over=over), at_agent=int, now_at_agent=lambda: 0)
    clients = {"service": SimpleNamespace(address="rfrm:6379")}
    scenario = SimpleNamespace(system=SYSTEM, clients=clients, limits=SimpleNamespace(stable=5.0))
    session: Any = SimpleNamespace(
        observed=observed,
        scenario=scenario,
        scene=SimpleNamespace(facts=facts, held=list(held)),
        proven=frozenset(paths),
        expects=expects,
    )
    return outstanding(session, 0)


def test_a_healthy_system_has_recovered() -> None:
    assert missing(healthy()) == []


def test_every_path_has_to_be_back() -> None:
    assert missing(healthy(), good=(True, False)) == ["service/1 to be back and stable"]
    assert missing(healthy(), expects="any", good=(False, False)) == [
        "service/0 to be back and stable",
        "service/1 to be back and stable",
    ]


def test_a_master_that_is_not_demoted_yet_makes_its_service_look_well() -> None:
    facts = healthy()
    role(facts, "rfr-1", role="master")

    assert missing(facts) == ["2 Redis say they are master (rfr-0, rfr-1)"]
    assert missing(facts, expects="any") == []


def test_a_service_that_still_names_the_old_master_has_not_recovered() -> None:
    facts = healthy()
    role(facts, "rfr-0", role="slave", master="10.0.0.1:6379")
    role(facts, "rfr-1", role="master", master=None)

    assert missing(facts) == ["Service rfrm names rfr-0, not rfr-1 alone"]
    tell(facts, "endpoints", service="rfrm", endpoints=[{"pod": "rfr-1", "ready": True}])
    assert missing(facts) == []


def test_a_failover_that_nobody_needs_is_not_waited_for() -> None:
    """The master was back before any Sentinel missed it."""
    assert missing(healthy(), over=False) == []


def test_a_failover_is_waited_for_while_a_fault_is_held_or_a_sentinel_sees_something_wrong() -> None:
    waited_for = ["a failover to be seen to its end"]
    assert missing(healthy(), over=False, held=("partition",)) == waited_for
    facts = healthy()
    facts.sentinels = {name: replace(said, flags="master,s_down") for name, said in facts.sentinels.items()}
    assert missing(facts, over=False) == waited_for


def sending(*clients: tuple[int, int], effect_ns: int | None = None, limit_s: float = 180.0) -> Any:
    """A session of one path whose clients have each sent so many (good, bad) operations of late, and is not back."""
    each = [
        SimpleNamespace(ok=lambda _since, good=good: good, bad=lambda _since, bad=bad: bad) for good, bad in clients
    ]
    ops = SimpleNamespace(paths=lambda: {"service/new": each}, recovered=lambda *_: {"service/new": False})
    seen = SimpleNamespace(effect_ns=None, over=True)
    limits = SimpleNamespace(recovery=limit_s, stable=5.0)
    return SimpleNamespace(
        observed=SimpleNamespace(
            mark_paths=lambda *_: None,
            ops=ops,
            seen=seen,
            follow=lambda: None,
            at_agent=int,
            now_at_agent=lambda: 10**12,
            agent_at_host=int,
        ),
        scenario=SimpleNamespace(gap=1.0, limits=limits),
        proven=frozenset({"service/new"}),
        effect_ns=effect_ns,
        pulled_ns=mono_ns() + 60 * 10**9,
        expects="any",
        tell=lambda _message: None,
    )


async def test_a_path_is_live_while_each_of_its_clients_sends() -> None:
    assert await is_live(sending((3, 0), (1, 0)))
    assert not await is_live(sending((3, 0), (0, 0)))
    assert not await is_live(sending())


async def test_bad_operations_show_life_only_after_the_fault() -> None:
    assert not await is_live(sending((0, 4)))
    assert await is_live(sending((0, 4), effect_ns=1))


async def test_recovery_is_waited_for_until_its_limit_and_no_longer() -> None:
    began_ns = mono_ns()
    said = await recovered(sending((0, 4), limit_s=0.3))
    assert said == "not recovered within 0.3 s: service/new to be back and stable"
    assert mono_ns() - began_ns < 20 * 10**9
