"""How a node helper logs in to servers that ask for it: with what the host has read from Secrets."""

import base64
from pathlib import Path

import pytest

from chaos.access import Access, Accesses, Tls
from chaos.cluster.kube.api import Api
from chaos.cluster.kube.helper import login_of
from chaos.cluster.local.config import certificates
from chaos.errors import SetupError
from chaos.scenario import load
from tests.agent.helping import Serve
from tests.client.conftest import Start, start  # noqa: F401  a fixture
from tests.client.test_tls import REDIS, speaking
from tests.cluster.kube.server import Server
from tests.rig import LOOPBACK, free_port

USER, PASSWORD = REDIS


def served(server: Server, name: str, **data: str) -> None:
    encoded = {key.replace("_", "."): base64.b64encode(text.encode()).decode() for key, text in data.items()}
    server.answers["GET", f"/api/v1/namespaces/redis/secrets/{name}"] = {"data": encoded}


def served_files(server: Server, name: str, files: dict[str, str]) -> None:
    served(server, name, **{key: Path(path).read_text() for key, path in files.items()})


SECURED = {
    "system.kube.user": USER,
    "system.kube.tls.secret": "redis-tls",
    "system.kube.tls.server_name": "redis",
    "system.kube.sentinel.password.secret": "sentinel",
}


@pytest.mark.redis
async def test_a_command_reaches_a_redis_that_asks_for_tls_a_user_and_a_password(
    server: Server,
    api: Api,
    start: Start,  # noqa: F811
    tmp_path: Path,
):
    tls, port = certificates(tmp_path / "tls", ["redis"]), free_port()
    start(*(word for line in speaking(port, tls, REDIS) for word in f"--{line}".split()))
    served_files(server, "redis-tls", {"ca_crt": tls.ca, "tls_crt": tls.certificate, "tls_key": tls.key})
    served(server, "redis", password=PASSWORD)
    served(server, "sentinel", password="another")
    login = await login_of(api, load("statefulset", SECURED).scenario.system.on_kube)
    assert login is not None
    assert Accesses.from_environment(login["variables"]) == Accesses(
        redis=Access(user=USER, password=PASSWORD, tls=Tls(server_name="redis")),
        sentinel=Access(password="another", tls=Tls(server_name="redis")),
    )
    held = tmp_path / "held"
    held.mkdir()
    helper = Serve(held)
    asked = {"container": "c", "address": LOOPBACK, "port": port, "kind": "redis", "command": ["ROLE"]}
    try:
        talk = helper.talk()
        assert "gave no answer" in talk.ask("tell", **asked)["error"]
        talk.ask("login", **login)
        assert talk.ask("tell", **asked)["reply"].startswith("['master'")
    finally:
        helper.end()
    assert [path for path in held.rglob("*") if path.is_file() and PASSWORD.encode() in path.read_bytes()] == []


async def test_a_system_without_a_login_needs_none(api: Api):
    assert await login_of(api, load("redis-operator").scenario.system.on_kube) is None


@pytest.mark.parametrize(("data", "why"), [({}, "it has no password"), (None, "there is none")])
async def test_a_secret_that_does_not_hold_what_is_named_is_said(server: Server, api: Api, data: object, why: str):
    if data is not None:
        served(server, "redis")

    with pytest.raises(SetupError, match=f"Secret redis in redis, and {why}"):
        await login_of(api, load("statefulset").scenario.system.on_kube)
