"""What the user got wrong is named within a second, with what helps; and nothing is written before that is known."""

import asyncio
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.access import REDIS
from chaos.model import canonical
from chaos.watch.guest import Around, GuestWish, MistakeError, look_around
from chaos.watch.members import members_of
from tests.rig import LOOPBACK, MASTER_NAME, SENTINELS, Rig, call, free_port, launch, wait_for
from tests.rig import REDIS as MEMBERS
from tests.watch.watched import alone

SOON_S = 5.0
"""A second on a machine of one's own; others run tests here at the same time."""


def looked(wish: GuestWish) -> Around:
    return asyncio.run(look_around(wish))


def mistake(wish: GuestWish) -> str:
    began = time.monotonic()
    with pytest.raises(MistakeError) as raised:
        looked(wish)
    assert time.monotonic() - began < SOON_S
    return str(raised.value)


def at(rig: Rig, name: str) -> str:
    return f"{LOOPBACK}:{rig.processes[name].port}"


@pytest.mark.redis
def test_what_is_given_right_is_looked_at(rig: Rig) -> None:
    around = looked(GuestWish(sentinels=(at(rig, SENTINELS[0]),), services=(at(rig, MEMBERS[0]),)))
    assert around.remarks == ()
    assert around.view is not None
    assert (around.view.master, around.view.master_address) == (MASTER_NAME, at(rig, MEMBERS[0]))
    assert len(around.view.replicas) == len(around.view.others) == 2


@pytest.mark.redis
def test_a_wrong_address_or_name_is_named_with_what_helps(rig: Rig) -> None:
    sentinel, master, replica = at(rig, SENTINELS[0]), at(rig, MEMBERS[0]), at(rig, MEMBERS[1])
    assert f"--service {master}" in mistake(GuestWish(sentinels=(master,)))
    assert f"--sentinel {sentinel}" in mistake(GuestWish(services=(sentinel,)))
    wrong = mistake(GuestWish(sentinels=(sentinel,), master="theirs"))
    assert "no master called theirs" in wrong
    assert "it watches mymaster; name it with --master" in wrong
    nobody = f"{LOOPBACK}:{free_port()}"
    assert "26379 as a rule" in mistake(GuestWish(sentinels=(nobody,)))
    assert "6379 as a rule" in mistake(GuestWish(services=(nobody,)))
    [remark] = looked(GuestWish(services=(replica,))).remarks
    assert "leads to a replica, which refuses writes" in remark


def test_a_name_that_is_not_found_and_a_port_of_somebody_else() -> None:
    nowhere = "no.such.name.invalid:26379"
    assert f"{nowhere}: the name does not resolve (" in mistake(GuestWish(sentinels=(nowhere,)))
    with socket.create_server((LOOPBACK, 0)) as silent:
        port = silent.getsockname()[1]
        assert "does not answer within 0.8 s" in mistake(GuestWish(sentinels=(f"{LOOPBACK}:{port}",)))


@pytest.mark.redis
def test_one_sentinel_that_does_not_answer_is_a_remark_if_another_does(rig: Rig) -> None:
    around = looked(GuestWish(sentinels=(f"{LOOPBACK}:{free_port()}", at(rig, SENTINELS[1]))))
    assert around.view is not None
    assert around.view.asked == at(rig, SENTINELS[1])
    assert "nothing listens" in around.remarks[0]


@pytest.mark.redis
def test_a_password_that_is_missing_is_asked_for_by_the_name_of_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with alone(tmp_path, "--requirepass", "secret") as port:
        wish = GuestWish(services=(f"{LOOPBACK}:{port}",))
        assert f"{REDIS}PASSWORD" in mistake(wish)
        monkeypatch.setenv(f"{REDIS}PASSWORD", "secret")
        assert looked(wish).remarks == ()
        monkeypatch.setenv(f"{REDIS}PASSWORD", "wrong")
        assert "WRONGPASS" in mistake(wish)


@pytest.mark.redis
def test_a_guest_writes_nothing_to_a_redis_that_is_full_or_where_it_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with alone(tmp_path, "--maxmemory", "20mb") as port:
        may = ("~*", "+@read", "+info", "+role", "+auth", "+select", "+ping")
        assert call(port, "ACL", "SETUSER", "reader", "on", ">r", *may) == "OK"
        wish = GuestWish(services=(f"{LOOPBACK}:{port}",))
        reading = replace(wish, read_only=True)
        assert looked(wish).remarks == ()
        monkeypatch.setenv(f"{REDIS}USER", "reader")
        monkeypatch.setenv(f"{REDIS}PASSWORD", "r")
        told = mistake(wish)
        assert "this user may not write" in told
        assert "--read-only" in told
        assert looked(reading).remarks == ()
        monkeypatch.delenv(f"{REDIS}USER")
        monkeypatch.delenv(f"{REDIS}PASSWORD")
        for number in range(15):
            assert call(port, "SET", f"much:{number}", "x" * 1_000_000) == "OK"
        told = mistake(wish)
        assert "of its maxmemory, and a guest writes nothing above 70%" in told
        assert looked(reading).remarks == ()
        assert call(port, "KEYS", "failover:*") == []


@pytest.mark.redis
def test_a_sentinel_that_tells_an_address_that_cannot_be_reached_asks_for_a_map(tmp_path: Path) -> None:
    """As with Docker: the Sentinel watches an address that leads nowhere from here."""
    with alone(tmp_path) as redis:
        told, port = f"127.99.99.99:{redis + 1}", free_port()
        config = tmp_path / "sentinel.conf"
        config.write_text(f"port {port}\nbind {LOOPBACK}\nsentinel monitor mymaster 127.99.99.99 {redis + 1} 1\n")
        sentinel = subprocess.Popen(["redis-server", str(config), "--sentinel"], stdout=subprocess.DEVNULL)
        try:
            wait_for(lambda: call(port, "PING") == "PONG", "the Sentinel answers")
            wish = GuestWish(sentinels=(f"{LOOPBACK}:{port}",))
            sentence = mistake(wish)
            assert f"names {told} as the master" in sentence
            assert f"--map {told}=localhost:{redis + 1}" in sentence
            mapped = GuestWish(sentinels=wish.sentinels, maps={canonical(told): f"{LOOPBACK}:{redis}"})
            assert looked(mapped).redis[0].role == "master"
        finally:
            sentinel.kill()
            sentinel.wait(60)


@pytest.mark.redis
def test_another_redis_at_the_masters_address_is_never_written_to(rig: Rig, tmp_path: Path) -> None:
    with alone(tmp_path) as stranger:
        master = at(rig, MEMBERS[0])
        maps = {canonical(master): f"{LOOPBACK}:{stranger}"}
        wait_for(lambda: bool(_run_id(rig)), "the Sentinel knows the master's run id")
        sentence = mistake(GuestWish(sentinels=(at(rig, SENTINELS[0]),), maps=maps))
        assert "another Redis answers" in sentence
        assert call(stranger, "DBSIZE") == 0


@pytest.mark.redis
def test_a_service_that_leads_to_another_system_than_the_sentinels_is_refused(rig: Rig, tmp_path: Path) -> None:
    with alone(tmp_path) as stranger:
        service = f"{LOOPBACK}:{stranger}"
        sentence = mistake(GuestWish(sentinels=(at(rig, SENTINELS[0]),), services=(service,)))
        assert f"{service} leads to another Redis than those of mymaster" in sentence
        assert "watch it by itself" in sentence
        assert call(stranger, "DBSIZE") == 0
    for member in MEMBERS:
        looked(GuestWish(sentinels=(at(rig, SENTINELS[0]),), services=(at(rig, member),)))


@pytest.mark.redis
def test_a_redis_that_refuses_the_login_is_reached_and_needs_no_map(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    wish = GuestWish(sentinels=(at(rig, SENTINELS[0]),))
    monkeypatch.setenv(f"{REDIS}USER", "nobody")
    monkeypatch.setenv(f"{REDIS}PASSWORD", "wrong")
    sentence = mistake(wish)
    assert sentence.startswith(f"{at(rig, MEMBERS[0])} refuses this login (WRONGPASS)")
    assert "--map" not in sentence
    monkeypatch.delenv(f"{REDIS}USER")
    monkeypatch.delenv(f"{REDIS}PASSWORD")
    for name in MEMBERS:
        assert rig.call(name, "CONFIG", "SET", "requirepass", "secret") == "OK"
    sentence = mistake(wish)
    assert "asks for a password (NOAUTH)" in sentence
    assert "--map" not in sentence


@pytest.mark.redis
def test_a_replica_that_cannot_be_reached_is_a_remark(rig: Rig) -> None:
    rig.kill(MEMBERS[2])
    [remark] = looked(GuestWish(sentinels=(at(rig, SENTINELS[0]),))).remarks
    assert "one cannot be used from here, nor after a failover to it" in remark
    assert f"nothing listens at {at(rig, MEMBERS[2])}" in remark


def _run_id(rig: Rig) -> str:
    reply = rig.call(SENTINELS[0], "SENTINEL", "MASTER", MASTER_NAME)
    return str(dict(zip(reply[::2], reply[1::2], strict=True))["runid"])


@pytest.mark.redis
def test_an_ipv6_address_is_one_however_it_is_written(tmp_path: Path) -> None:
    """Sentinel tells ::1 without brackets, the user writes it with them, and both are the same member."""
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    redis, port = free_port(), free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(f"port {port}\nbind ::1\nsentinel monitor mymaster ::1 {redis} 1\n")
    servers = [
        launch(["redis-server", "--port", str(redis), "--bind", "::1", "--save", ""], tmp_path / "redis.log"),
        launch(["redis-server", str(config), "--sentinel"], tmp_path / "sentinel.log"),
    ]
    wish = GuestWish(sentinels=(f"[::1]:{port}",), services=(f"[0:0:0:0:0:0:0:1]:{redis}",))
    try:
        wait_for(lambda: _answers("::1", redis) and _answers("::1", port), "both listen")
        around = looked(wish)
        assert around.view is not None
        assert around.view.master_address == f"::1:{redis}"
        assert {canonical(one.address) for one in around.redis} == {f"::1:{redis}"}
        [member, _] = asyncio.run(members_of(wish, around.views, around.view.told))
        assert (member.address, member.port) == ("::1", redis)
    finally:
        for server in servers:
            server.kill()
            server.wait(60)


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
