"""Clock domains: one clock has no error, another has that of its exchanges, an unknown one places nothing."""

from typing import Any

from chaos.analysis.clocks import Clocks
from chaos.record.events import Stamped
from tests.saying import stamped

MINE = {"boot_id": "a", "timens": ""}
OTHER = {"boot_id": "b", "timens": ""}
SECOND = 10**9


def domain(name: str, identity: dict[str, str], mono_ns: int = 0, wall_ns: int = 0) -> Stamped[Any]:
    said: dict[str, Any] = {**identity, "mono_ns": mono_ns, "wall_ns": wall_ns}
    return stamped("clock.domain", name, mono_ns, **said)


def offset(of: str, at_ns: int, offset_ns: int, error_ns: int) -> Stamped[Any]:
    return stamped("clock.offset", at_ns=at_ns, of=of, offset_ns=offset_ns, error_ns=error_ns)


def pair(name: str, mono_ns: int, wall_ns: int) -> Stamped[Any]:
    return stamped("clock.pair", name, mono_ns, wall_ns=wall_ns)


def test_equal_identities_are_one_clock():
    clocks = Clocks([domain("host", MINE), domain("node/a", MINE)])
    assert clocks.place("node/a", 77) == (77, 77)
    assert clocks.error_ns("node/a") == 0


def test_the_same_boot_in_another_time_namespace_is_another_clock():
    clocks = Clocks([domain("host", MINE), domain("agent", {"boot_id": "a", "timens": "monotonic 100 0"})])
    assert clocks.place("agent", 77) is None


def test_an_offset_carries_its_error_into_every_stamp():
    clocks = Clocks([domain("host", MINE), domain("agent", OTHER), offset("agent", 0, 1000, 30)])
    assert clocks.place("agent", 5000) == (3970, 4030)
    assert clocks.error_ns("agent") == 30


def test_between_two_exchanges_both_bound_where_the_clock_stood():
    drift = [offset("agent", 0, 1000, 10), offset("agent", 100 * SECOND, 1200, 10)]
    clocks = Clocks([domain("host", MINE), domain("agent", OTHER), *drift])
    assert clocks.place("agent", 50 * SECOND) == (50 * SECOND - 1210, 50 * SECOND - 990)
    assert clocks.place("agent", 150 * SECOND) == (150 * SECOND - 1210, 150 * SECOND - 1190)


def test_without_an_exchange_nothing_is_placed():
    clocks = Clocks([domain("host", MINE), domain("agent", OTHER)])
    assert clocks.place("agent", 5000) is None
    assert clocks.error_ns("agent") is None


def test_a_log_line_is_placed_by_the_pairs_around_it():
    pairs = [pair("host", second * SECOND, (1_000 + second) * SECOND) for second in range(5)]
    clocks = Clocks([domain("host", MINE, 0, 1_000 * SECOND), *pairs])
    wall = 1_002 * SECOND + 345
    assert clocks.place_wall("host", wall) == (2 * SECOND + 345, 2 * SECOND + 345)


def test_a_step_of_the_wall_clock_widens_what_lies_across_it():
    pairs = [pair("host", 1 * SECOND, 1_001 * SECOND), pair("host", 2 * SECOND, 1_002 * SECOND + 500)]
    clocks = Clocks([domain("host", MINE, 0, 1_000 * SECOND), *pairs])
    earliest, latest = clocks.place_wall("host", 1_001 * SECOND + 600) or (0, 0)
    assert latest - earliest == 500
    assert clocks.step_ns() == 500


def test_a_node_of_the_same_kernel_uses_the_hosts_pairs():
    clocks = Clocks([domain("host", MINE, 0, 500), domain("node/a", MINE, 0, 500), pair("host", 1000, 1500)])
    assert clocks.place_wall("node/a", 1200) == (700, 700)


def test_a_log_of_an_unknown_clock_is_not_placed():
    assert Clocks([domain("host", MINE, 0, 500)]).place_wall("node/a", 1200) is None
