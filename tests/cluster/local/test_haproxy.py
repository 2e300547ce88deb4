"""A real HAProxy in front of a real system of processes: where it leads, and what it is started with."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos.access import Access, Accesses, Tls
from chaos.cluster.base import Stop
from chaos.cluster.local.config import haproxy_conf
from chaos.cluster.local.level import LOOPBACK, Level
from chaos.cluster.local.servers import find_haproxy
from chaos.errors import ScenarioError, SetupError
from chaos.model import MemberKind
from chaos.observe.proxies import ProxyObserver
from chaos.observe.watch import ObservedMember, PolledFact, supervised
from chaos.record.event_files import EventWriter
from chaos.record.events import Stamped
from chaos.scenario import Scenario, load
from chaos.until import until
from tests.cluster.local.systems import held

SERVERS = {"redis-0": ("10.93.1.1", 6379), "redis-1": ("10.93.1.2", 6379)}

PASSWORD = "FAILOVER_REDIS_PASSWORD"


def scenario(**settings: str) -> Scenario:
    quick = {
        "system.settings.sentinel.down-after-milliseconds": "2000",
        "system.settings.proxy.inter": "200ms",
        "system.local.replace.after": "8s",
    }
    loaded = load("haproxy", quick | settings).scenario
    return loaded.model_copy(update={"system": loaded.system.placed(on_local=True)})


def test_its_file_has_the_checks_as_declared_and_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD, "very-secret")
    lines = haproxy_conf(scenario().system, ("10.93.5.1", 6379), SERVERS).splitlines()

    assert "default-server check inter 200ms fall 3 rise 2 on-marked-down shutdown-sessions" in lines
    assert lines[-2:] == ["server redis-0 10.93.1.1:6379", "server redis-1 10.93.1.2:6379"]
    assert f'tcp-check send "AUTH ${{{PASSWORD}}}\\r\\n"' in lines
    assert not [line for line in lines if "very-secret" in line]


def test_its_checks_speak_tls_and_log_in_as_a_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tls = Tls(ca=f"{tmp_path}/ca.crt", certificate=f"{tmp_path}/tls.crt", key=f"{tmp_path}/tls.key")
    for name, value in Accesses(redis=Access(user="app", password="very-secret", tls=tls)).environment().items():
        monkeypatch.setenv(name, value)
    lines = haproxy_conf(scenario().system, ("10.93.5.1", 6379), SERVERS).splitlines()

    assert "tcp-check connect ssl" in lines, "check-ssl alone is for checks without a tcp-check of their own"
    assert f'tcp-check send "AUTH app ${{{PASSWORD}}}\\r\\n"' in lines
    [checks] = [line for line in lines if line.startswith("default-server")]
    assert f"check-ssl verify required ca-file {tmp_path}/ca.crt crt {tmp_path}/tls.pem" in checks


def test_without_a_password_it_sends_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)

    assert "AUTH" not in haproxy_conf(scenario().system, ("10.93.5.1", 6379), SERVERS)


def test_where_it_is_not_installed_the_scenario_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_haproxy(load("sentinel").scenario.system) is None
    with pytest.raises(SetupError, match="apt-get install haproxy"):
        find_haproxy(scenario().system)


def test_members_that_move_are_refused_for_it_knows_them_by_address() -> None:
    with pytest.raises(ScenarioError, match=r"write replace: \{address: kept\}"):
        scenario(**{"system.local.replace.address": "new"})


def test_what_the_scenario_says_of_the_checks_is_what_its_manifest_says() -> None:
    config = yaml.safe_load(Path("scenarios/haproxy/proxy/config.yaml").read_text())["data"]["haproxy.cfg"]
    said = load("haproxy").scenario.system.settings.proxy

    assert said is not None
    assert f"check inter {said.inter:g}s fall {said.fall} rise {said.rise} " in config


@pytest.mark.haproxy
@pytest.mark.local
async def test_it_leads_to_the_master_and_after_a_failover_to_the_new_one(tmp_path: Path) -> None:
    """By its stats socket, as the agent reads it. Every Redis asks for a password that only the nest knows."""
    seen: list[Stamped[Any]] = []
    events = EventWriter(tmp_path / "seen.jsonl", "agent")
    events.subscribe(seen.append)

    def up() -> list[str]:
        told = [event for event in seen if event.event.kind == "proxy.servers"]
        return [one["server"] for one in told[-1].event.servers if one["up"]] if told else []

    async with held(tmp_path, scenario(), Level(LOOPBACK, "a test")) as one:
        proxy, master = await one.member("haproxy-0"), await one.member("redis-0")
        assert proxy.kind is MemberKind.PROXY
        observer = ProxyObserver(ObservedMember(proxy, events), PolledFact())
        watching = asyncio.create_task(supervised(observer.observe, observer.lost))
        await until(_are(up, "redis-0"), within_s=60, because="redis-0 alone is up", every_s=0.02)
        service = await one.until("endpoints", service="redis")
        assert [each["pod"] for each in service.event.endpoints] == ["haproxy-0"]
        await one.cluster.stop(master, Stop.CRASH)
        await until(_are(up, "redis-1", "redis-2"), within_s=60, because=lambda: f"not {up()}", every_s=0.02)
        assert one.said("pod", component="redis")[-1].event.role is None
        await one.cluster.stop(proxy, Stop.KILL)
        await until(_lost(seen), within_s=60, because="nobody said that the proxy is lost", every_s=0.02)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    events.close()
    log = next((tmp_path / "logs").glob("proxy-haproxy-0-*")).read_text()
    assert "Server redis/redis-0 is DOWN" in log
    assert " is UP, reason: Layer7 check passed" in log


def _are(up, *names: str):
    async def look() -> bool:
        return len(up()) == 1 and up()[0] in names

    return look


def _lost(seen: list[Stamped[Any]]):
    async def look() -> bool:
        return any(event.event.kind == "proxy.lost" for event in seen)

    return look
