"""What HAProxy's stats socket says of its servers, as HAProxy 2.6 writes it."""

import pytest

from chaos.observe.proxies import servers_in

HEADER = (
    "# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state "
    "bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr "
    "srv_agent_addr srv_agent_port"
)
UP = "3 redis 1 redis-0 10.244.3.15 2 0 1 1 98 15 3 4 6 0 0 0 redis-0.nodes.haproxy.svc.cluster.local 6379 - 0 0 - - 0"
DOWN = "3 redis 2 redis-1 10.244.1.11 0 0 1 1 98 18 2 0 6 0 0 0 - 6379 - 0 0 - - 0"
NO_NAME = "4 readers 1 redis-2 - 0 32 1 1 98 15 0 0 14 0 0 0 redis-2.nodes 6379 - 0 0 - - 0"


def test_each_server_has_its_backend_its_address_and_whether_it_is_up() -> None:
    found = list(servers_in("\n".join(["1", HEADER, UP, DOWN, NO_NAME])))

    assert found == [
        {"backend": "redis", "server": "redis-0", "address": "10.244.3.15:6379", "up": True},
        {"backend": "redis", "server": "redis-1", "address": "10.244.1.11:6379", "up": False},
        {"backend": "readers", "server": "redis-2", "address": "-:6379", "up": False},
    ]


def test_a_server_that_starts_slowly_gets_connections_and_one_that_stops_does_not() -> None:
    starting, stopping = UP.replace(" 2 0 1 1 ", " 1 0 1 1 "), UP.replace(" 2 0 1 1 ", " 3 0 1 1 ")

    assert [one["up"] for one in servers_in("\n".join(["1", HEADER, starting, stopping]))] == [True, False]


@pytest.mark.parametrize("said", ["Permission denied", "Unknown command: 'show', but maybe one of …", ""])
def test_any_other_answer_is_no_table_of_servers(said: str) -> None:
    with pytest.raises(ConnectionError, match="stats socket said"):
        list(servers_in(said))
