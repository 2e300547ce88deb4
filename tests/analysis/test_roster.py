"""Who has which address."""

from chaos.analysis.result import Node
from chaos.analysis.roster import Roster, is_at

MEMBER = {"name": "pod-0", "address": "10.0.0.1", "port": 6379, "ordinal": 0}
ROLE = {"member": "pod-0", "address": "10.0.0.1:6379", "run_id": "aaa"}


def test_a_member_has_its_ordinal_and_its_own_run_id():
    node = Roster([MEMBER], [], [ROLE]).node("10.0.0.1:6379")
    assert node == Node(name="pod-0", ordinal=0, address="10.0.0.1:6379", run_id="aaa")


def test_two_on_one_host_are_told_apart_by_their_ports():
    roster = Roster([MEMBER, {**MEMBER, "name": "pod-1", "port": 6380, "ordinal": 1}], [], [])
    assert [roster.node(f"10.0.0.1:{port}").name for port in (6379, 6380)] == ["pod-0", "pod-1"]


def test_a_pod_that_came_back_is_known_by_its_new_ip():
    node = Roster([MEMBER], [{"name": "pod-0", "ip": "10.0.0.9"}], []).node("10.0.0.9:6379")
    assert (node.name, node.ordinal, node.address) == ("pod-0", 0, "10.0.0.9:6379")


def test_an_address_that_nobody_is_known_to_have_names_itself():
    assert Roster([], [], []).node("10.0.0.1:6379").name == "10.0.0.1"


def test_nobody_is_nowhere():
    assert not is_at(None, "10.0.0.1:6379")
    assert is_at(Roster([MEMBER], [], []).node("10.0.0.1:6379"), "10.0.0.1:6379")


def test_who_answered_behind_a_service_is_known_by_its_run_id():
    roster = Roster([MEMBER], [], [ROLE])
    assert getattr(roster.ran("aaa"), "name", "") == "pod-0"
    assert roster.ran("") is None
