"""The messages of a cut, without a kernel."""

import pytest
from pyroute2.netlink.nfnetlink.nftsocket import nft_rule_msg

from chaos.model import Way
from chaos.net.cut import TABLE, Cut, applying
from chaos.net.messages import batch


def test_a_cut_has_a_rule_for_each_peer_and_direction() -> None:
    messages = applying(Cut(("10.0.0.1", "10.0.0.2", "fd00::1")))
    rules = [message for message in messages if isinstance(message, nft_rule_msg)]
    chains = [rule.get_attr("NFTA_RULE_CHAIN") for rule in rules]

    assert chains == ["input"] * 3 + ["output"] * 3


@pytest.mark.parametrize(("way", "chains"), [("in", ["input"]), ("out", ["output"]), ("both", ["input", "output"])])
def test_a_cut_of_one_way_has_rules_in_that_direction_only(way: Way, chains: list[str]) -> None:
    rules = [message for message in applying(Cut(("10.0.0.1",), way)) if isinstance(message, nft_rule_msg)]

    assert [rule.get_attr("NFTA_RULE_CHAIN") for rule in rules] == chains


def test_applying_clears_first_so_that_it_replaces() -> None:
    kinds = [type(message) for message in applying(Cut(("10.0.0.1",)))]

    assert kinds[: len(TABLE.clearing())] == [type(message) for message in TABLE.clearing()]


def test_only_the_last_message_of_a_batch_is_acknowledged() -> None:
    messages = TABLE.clearing()
    batch(messages)

    assert [bool(message["header"]["flags"] & 4) for message in messages] == [False, True]


def test_a_peer_must_be_an_address() -> None:
    with pytest.raises(ValueError, match="does not appear to be"):
        applying(Cut(("rfs-redis-cluster",)))
