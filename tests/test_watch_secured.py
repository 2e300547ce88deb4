"""`failover watch` of systems that ask for TLS and a login, and by a scenario that `failover init` wrote."""

from pathlib import Path

import pytest

from chaos.access import Tls
from chaos.cli import entry
from chaos.cluster.local.config import certificates
from chaos.errors import INCONCLUSIVE, PASS, ScenarioError
from chaos.scenario import load
from chaos.watch.command import of_scenario
from tests.client.conftest import Start, start  # noqa: F401  a fixture
from tests.client.test_tls import REDIS as LOGIN
from tests.client.test_tls import SENTINEL as SENTINEL_LOGIN
from tests.client.test_tls import redis_port, sentinel_port  # noqa: F401  fixtures
from tests.rig import LOOPBACK, SENTINELS, Rig

PATIENT = ("--deadline", "3s", "--rate", "5/s")
pytestmark = [pytest.mark.redis, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return certificates(tmp_path_factory.mktemp("made") / "tls", ["redis", "sentinel"])


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sets the variables of its own process, which is this one."""
    for kind in ("REDIS", "SENTINEL"):
        for name in ("USER", "PASSWORD", "TLS", "TLS_CA", "TLS_CERTIFICATE", "TLS_KEY", "TLS_SERVER_NAME"):
            monkeypatch.setenv(f"FAILOVER_{kind}_{name}", "")


def test_a_secured_system_is_written_down_and_watched_and_no_password_stays(
    sentinel_port: int,  # noqa: F811
    tls: Tls,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
):
    files = {}
    for name, (_, password) in (("redis", LOGIN), ("sentinel", SENTINEL_LOGIN)):
        files[name] = tmp_path / name
        files[name].write_text(f"{password}\n")
    passwords = ["--password-file", str(files["redis"]), "--sentinel-password-file", str(files["sentinel"])]
    users = ["--user", LOGIN[0], "--sentinel-user", SENTINEL_LOGIN[0]]
    speaking = ["--cacert", tls.ca, "--cert", tls.certificate, "--key", tls.key, "--server-name", "redis"]
    asked, mine, out = f"{LOOPBACK}:{sentinel_port}", str(tmp_path / "mine"), tmp_path / "reports"

    assert entry(["init", "--sentinel", asked, *users, *speaking, *passwords, "--out", mine]) == 0
    watched = entry(["watch", "--scenario", mine, *passwords, "--for", "2s", *PATIENT, "--out", str(out)])

    said = capsys.readouterr().out
    assert watched in (PASS, INCONCLUSIVE), said  # a busy machine proves nothing
    assert "watching mymaster" in said
    assert load(mine).scenario.system.settings.redis["maxmemory"] == 0, "Redis was asked too, over TLS"
    assert "2 members asked" in said, "the Sentinel and the Redis that it names let us in"
    assert "failed: sentinel/new, auth" not in said
    assert "tls failed" not in said
    for _, password in (LOGIN, SENTINEL_LOGIN):
        assert password not in said
        kept = [*out.rglob("*"), tmp_path / "mine" / "scenario.yaml"]
        assert [path for path in kept if path.is_file() and password.encode() in path.read_bytes()] == []


def test_what_a_scenario_says_is_watched_and_options_hold_over_it(rig: Rig, tmp_path: Path):
    asked = f"{LOOPBACK}:{rig.member(SENTINELS[0]).port}"
    mine = tmp_path / "mine"
    assert entry(["init", "--sentinel", asked, "--out", str(mine)]) == 0
    text = (mine / "scenario.yaml").read_text()
    service = text.replace("  # service: {address: 'cache.internal:6379'", "  service: {address: 'localhost:6379'")
    (mine / "scenario.yaml").write_text(service.replace("    # map:", "    map:"))

    said = of_scenario(str(mine))

    assert {name: said[name] for name in ("services", "master", "expect_s", "rate_hz", "database")} == {
        "services": ("localhost:6379",),
        "master": "mymaster",
        "expect_s": 15.0,
        "rate_hz": 20.0,
        "database": 0,
    }
    assert said["sentinels"][0][0] == asked
    assert said["maps"] == (("172.18.0.3:6379", "localhost:6380"),)


def test_a_scenario_without_addresses_is_refused(capsys: pytest.CaptureFixture[str]):
    assert entry(["watch", "--scenario", "sentinel"]) == ScenarioError.exit_code
    assert "scenario sentinel is for failover run, and not for watch" in capsys.readouterr().err
