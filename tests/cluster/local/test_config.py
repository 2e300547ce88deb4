"""What the files say, in each of the two ways in which a member comes back."""

from pathlib import Path

import pytest

from chaos.cluster.local.config import command, rebound, redis_conf, sentinel_conf
from chaos.cluster.local.servers import Server
from chaos.scenario.scenario import System
from tests.cluster.local.processes import system_of

MASTER = ("10.9.0.1", 6379)

PASSWORD = "FAILOVER_REDIS_PASSWORD"


def redis_lines(system: System, *, master: tuple[str, int] | None = None) -> list[str]:
    text = redis_conf(system, address="10.9.0.2", port=6379, directory=Path("/data/1"), master=master)
    return text.splitlines()


def sentinel_lines(system: System) -> list[str]:
    text = sentinel_conf(system, address="10.9.0.9", port=26379, directory=Path("/data/s"), master=MASTER)
    return text.splitlines()


@pytest.fixture
def plain():
    return system_of("sentinel")


@pytest.fixture
def modelled():
    return system_of("operator-model")


def test_a_redis_of_its_own_file_holds_the_declared_settings_and_whom_it_follows(plain):
    lines = redis_lines(plain, master=MASTER)
    assert {"appendonly yes", "replicaof 10.9.0.1 6379"} < set(lines)


def test_the_first_master_follows_nobody(plain):
    assert not [line for line in redis_lines(plain) if line.startswith(("replicaof", "slaveof"))]


def test_a_redis_of_the_operators_file_follows_itself_and_has_no_declared_setting(modelled):
    lines = redis_lines(modelled, master=MASTER)
    assert {"slaveof 127.0.0.1 6379", "tcp-keepalive 60", "save 900 1", "save 300 10"} < set(lines)
    assert not [line for line in lines if line.startswith(("replicaof", "maxmemory", "appendonly"))]


def test_a_sentinel_of_its_own_file_watches_the_master_as_declared(plain):
    assert {
        "sentinel monitor mymaster 10.9.0.1 6379 2",
        "sentinel down-after-milliseconds mymaster 5000",
        "sentinel failover-timeout mymaster 10000",
    } < set(sentinel_lines(plain))


def test_a_sentinel_of_the_operators_file_watches_itself_with_the_templates_settings(modelled):
    assert {
        "sentinel monitor mymaster 127.0.0.1 6379 2",
        "sentinel down-after-milliseconds mymaster 1000",
        "sentinel failover-timeout mymaster 3000",
        "sentinel parallel-syncs mymaster 2",
    } < set(sentinel_lines(modelled))


def test_without_a_declared_quorum_it_is_the_majority(plain):
    settings = plain.settings.model_copy(update={"sentinel": {}})
    five = plain.model_copy(update={"sentinels": 5, "settings": settings})
    assert "sentinel monitor mymaster 10.9.0.1 6379 3" in sentinel_lines(five)


def test_an_empty_value_is_written_as_one(plain):
    settings = plain.settings.model_copy(update={"redis": {"save": ""}})
    assert 'save ""' in redis_lines(plain.model_copy(update={"settings": settings}))


def test_a_member_listens_on_its_own_address_and_on_loopback_and_logs_to_its_output(plain):
    for lines in (redis_lines(plain), sentinel_lines(plain)):
        assert {"protected-mode no", "daemonize no", 'logfile ""'} < set(lines)
    assert "bind 10.9.0.2 127.0.0.1" in redis_lines(plain)


def test_on_loopback_alone_it_is_bound_once():
    text = redis_conf(system_of("sentinel"), address="127.0.0.1", port=1, directory=Path("/d"), master=None)
    assert "bind 127.0.0.1\n" in text


def test_a_file_follows_its_member_to_another_address_and_says_the_rest_as_before(plain):
    before = "\n".join(sentinel_lines(plain))
    after = rebound(before, "10.9.0.77")
    assert after == before.replace("bind 10.9.0.9 127.0.0.1", "bind 10.9.0.77 127.0.0.1")


def test_one_program_is_both_kinds_of_member():
    server = Server(Path("/usr/bin/redis-server"), "redis", "7.0.15")
    debug = ["--enable-debug-command", "yes"]
    assert command(server, Path("/d/r.conf"), False) == ["/usr/bin/redis-server", "/d/r.conf", *debug]
    older = Server(Path("/usr/bin/redis-server"), "redis", "6.2.6")
    assert command(older, Path("/d/r.conf"), False) == ["/usr/bin/redis-server", "/d/r.conf"]
    assert command(server, Path("/d/s.conf"), True) == ["/usr/bin/redis-server", "/d/s.conf", "--sentinel"]


def test_on_loopback_a_member_listens_on_its_own_address_alone_and_announces_it(plain):
    address = "127.9.1.2"
    redis = redis_conf(plain, address=address, port=6379, directory=Path("/d"), master=MASTER).splitlines()
    sentinel = sentinel_conf(plain, address=address, port=26379, directory=Path("/d"), master=MASTER).splitlines()
    assert {"bind 127.9.1.2", "replica-announce-ip 127.9.1.2"} < set(redis)
    assert {"bind 127.9.1.2", "sentinel announce-ip 127.9.1.2"} < set(sentinel)


def test_on_loopback_whoever_is_told_nothing_yet_follows_itself_and_not_the_machines_own(modelled):
    address = "127.9.1.2"
    redis = redis_conf(modelled, address=address, port=6379, directory=Path("/d"), master=MASTER)
    sentinel = sentinel_conf(modelled, address=address, port=26379, directory=Path("/d"), master=MASTER)
    assert "slaveof 127.9.1.2 6379" in redis.splitlines()
    assert "sentinel monitor mymaster 127.9.1.2 6379 2" in sentinel.splitlines()
    assert "127.0.0.1" not in redis + sentinel


def test_on_loopback_a_file_follows_its_member_with_all_that_is_announced():
    before = 'bind 127.9.1.2\nreplica-announce-ip "127.9.1.2"\nsentinel announce-ip 127.9.1.2\nreplicaof 127.9.1.1 6379'
    assert rebound(before, "127.9.1.7").splitlines() == [
        "bind 127.9.1.7",
        "replica-announce-ip 127.9.1.7",
        "sentinel announce-ip 127.9.1.7",
        "replicaof 127.9.1.1 6379",
    ]


def test_a_password_is_asked_for_given_to_the_master_and_known_to_sentinel(plain, monkeypatch):
    monkeypatch.setenv(PASSWORD, "s3cret")
    assert {"requirepass s3cret", "masterauth s3cret"} < set(redis_lines(plain))
    assert "sentinel auth-pass mymaster s3cret" in sentinel_lines(plain)


def test_without_a_password_no_line_speaks_of_one(plain, monkeypatch):
    monkeypatch.delenv(PASSWORD, raising=False)
    lines = [*redis_lines(plain), *sentinel_lines(plain)]
    assert not [line for line in lines if line.startswith(("requirepass", "masterauth", "sentinel auth-pass"))]
