"""What ROLE says, in the words of the record."""

import pytest
from hiredis import ReplyError

from chaos.observe.roles import role_in, sets_in


def test_a_master_has_no_master_and_no_link():
    assert role_in(["master", 4711, []]) == {
        "role": "master",
        "master": None,
        "link": None,
        "syncing": False,
        "offset": 4711,
    }


@pytest.mark.parametrize(
    ("state", "link", "syncing"),
    [
        ("connected", "up", False),
        ("sync", "sync", True),
        ("connect", "connect", False),
        ("handshake", "handshake", False),
    ],
)
def test_a_replica_s_link_is_up_when_it_is_connected(state, link, syncing):
    told = role_in(["slave", "10.0.0.1", 6379, state, 42])

    assert told == {"role": "slave", "master": "10.0.0.1:6379", "link": link, "syncing": syncing, "offset": 42}


def test_a_refused_role_is_trouble_and_not_a_role():
    with pytest.raises(ConnectionError, match="NOAUTH"):
        role_in(ReplyError("NOAUTH Authentication required."))


@pytest.mark.parametrize(
    ("reply", "calls"),
    [
        ("# Commandstats\r\ncmdstat_config|get:calls=9,usec=1\r\ncmdstat_config|set:calls=4,usec=12,failed=0\r\n", 4),
        ("# Commandstats\r\ncmdstat_config:calls=9,usec=1\r\n", 0),
        ("", 0),
        (ReplyError("NOPERM"), 0),
    ],
)
def test_how_often_it_was_set_is_counted_apart_from_how_often_it_was_read(reply, calls):
    assert sets_in(reply) == calls
