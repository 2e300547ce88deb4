"""What `failover init` writes: of objects as the API serves them, and of a real Sentinel."""

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from chaos.access import Access, Accesses
from chaos.cli import entry
from chaos.cluster.kube.effective import asking, from_redis, from_sentinel
from chaos.cluster.kube.found import FoundSystem, NamespaceObjects, found
from chaos.errors import ScenarioError, SetupError
from chaos.scenario import load
from chaos.scenario.places import KubeSystem
from chaos.scenario.scenario import Scenario
from tests.client.conftest import Start, start  # noqa: F401  a fixture
from tests.cluster.kube.objects import of_scenario, redisfailover, serve_operator, serve_redisfailover, served
from tests.cluster.kube.server import Exec, Server, serving
from tests.rig import LOOPBACK, REDIS, SENTINELS, Rig, call

NO_MASTER_SERVICE = "makes no master Service; clients can only ask Sentinel."


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as one:
        yield one


class Written:
    """What the command wrote of a namespace: the text, and the scenario as a run would load it."""

    def __init__(self, server: Server, folder: Path, namespace: str, *options: str) -> None:
        out = folder / "mine"
        words = ["init", "--context", "fake", "--kubeconfig", str(server.kubeconfig(folder)), "--namespace", namespace]
        assert entry([*words, "--out", str(out), *options]) == 0
        self.text = (out / "scenario.yaml").read_text()
        self.scenario: Scenario = load(str(out)).scenario
        assert {method for method, *_ in server.asked} == {"GET"}, "nothing is changed"

    @property
    def kube(self) -> KubeSystem:
        return self.scenario.system.on_kube

    @property
    def said(self) -> str:
        """The comments at the top, as one line."""
        return " ".join(line.lstrip("# ") for line in self.text.partition("\nabout:")[0].splitlines())

    def paths(self) -> dict[str, str | None]:
        return {name: client.address or client.sentinel for name, client in self.scenario.clients.items()}


def like(ours: str, written: Written, *keys: str) -> None:
    """What was written of a system says the same of it as the scenario that we wrote by hand."""
    by_hand = load(ours).scenario.system.on_kube.model_dump()
    said = written.kube.model_dump()
    assert {key: said[key] for key in keys} == {key: by_hand[key] for key in keys}


def test_a_statefulset_that_was_written_by_hand_with_a_password(server: Server, tmp_path: Path):
    served(server, "redis", of_scenario("statefulset", "namespace.yaml", "redis/"))
    written = Written(server, tmp_path, "redis")

    like("statefulset", written, "namespace", "images", "redis", "sentinel", "password", "operator", "master_label")
    assert (written.scenario.system.operator, written.scenario.system.replicas) == ("none", 2)
    assert written.paths() == {"any": "nodes:6379", "sentinel": "sentinel:26379"}
    assert not written.scenario.clients["any"].gate
    assert f"Whoever set this up {NO_MASTER_SERVICE}" in written.said
    assert "Service nodes leads to any Redis, and not to the master alone." in written.said
    assert "no operator: a StatefulSet redis that was written by hand" in written.scenario.about
    assert "nobody-else-uses-this" not in written.text


def test_haproxy_in_front_with_its_checks_and_its_stats_socket(server: Server, tmp_path: Path):
    parts = ("namespace.yaml", "../statefulset/redis/", "proxy/")
    served(server, "haproxy", of_scenario("haproxy", *parts))
    written = Written(server, tmp_path, "haproxy")

    like("haproxy", written, "namespace", "redis", "sentinel", "proxy", "password")
    assert set(written.kube.images) == {"redis:7.0.15-alpine", "haproxy:2.6"}
    assert written.paths()["service"] == "redis:6379"
    assert written.scenario.system.settings.proxy == load("haproxy").scenario.system.settings.proxy
    assert NO_MASTER_SERVICE not in written.said
    assert "endpoint" in written.scenario.targets


def test_haproxy_without_a_stats_socket_is_told_what_to_add(server: Server, tmp_path: Path):
    parts = of_scenario("haproxy", "../statefulset/redis/", "proxy/")
    text = json.dumps(parts).replace("stats socket ipv4@*:9999 level user", "maxconn 100")
    served(server, "haproxy", json.loads(text))

    assert "`stats socket ipv4@*:9999 level user`" in Written(server, tmp_path, "haproxy").said


def test_the_spotahome_operator_with_a_master_service_five_replicas_and_a_password(server: Server, tmp_path: Path):
    made = redisfailover("redis-cluster", "saasodoo", replicas=5, secret="redis-auth", exporter=True)
    serve_redisfailover(server, "saasodoo", made)
    serve_operator(server, "v1.3.0-rc1")
    written = Written(server, tmp_path, "saasodoo")

    like("redis-operator", written, "namespace", "redis", "sentinel", "master_label")
    system = written.scenario.system
    assert (system.operator, system.replicas, system.sentinels, system.period) == ("spotahome", 4, 3, 30.0)
    assert (written.kube.operator.namespace, written.kube.operator.selector) == (  # type: ignore[union-attr]
        "operators",
        "app.kubernetes.io/name=redis-operator",
    )
    assert written.kube.password.model_dump() == {"secret": "redis-auth", "key": "password"}  # type: ignore[union-attr]
    assert "the Spotahome redis-operator, as RedisFailover redis-cluster (v1.3.0-rc1)" in written.scenario.about
    assert written.paths() == {"service": "rfrm-redis-cluster:6379", "sentinel": "rfs-redis-cluster:26379"}
    assert system.settings.sentinel["down-after-milliseconds"] == 5000, "as the RedisFailover asks for"
    assert NO_MASTER_SERVICE not in written.said


def test_the_spotahome_operator_without_a_master_service(server: Server, tmp_path: Path):
    serve_redisfailover(server, "saasodoo", redisfailover("redis-cluster", "saasodoo", master_service=False))
    serve_operator(server, "v1.2.4")
    written = Written(server, tmp_path, "saasodoo")

    assert f"This operator {NO_MASTER_SERVICE}" in written.said
    assert written.paths() == {"sentinel": "rfs-redis-cluster:26379"}
    assert written.kube.master_label == "redisfailovers-role=master", "it labels the master's pod all the same"
    assert "endpoint" not in written.scenario.targets
    assert written.kube.password is None


def test_of_several_systems_one_has_to_be_named(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    both = [redisfailover(name, "saasodoo", secret=name) for name in ("cache", "queue")]
    serve_redisfailover(server, "saasodoo", *both)
    words = ["init", "--context", "fake", "--kubeconfig", str(server.kubeconfig(tmp_path)), "--namespace", "saasodoo"]

    assert entry(words) == ScenarioError.exit_code
    assert "has several systems: rfr-cache, rfr-queue; say which one by --name" in capsys.readouterr().err
    written = Written(server, tmp_path, "saasodoo", "--name", "queue")
    assert written.paths() == {"service": "rfrm-queue:6379", "sentinel": "rfs-queue:26379"}
    assert written.kube.redis.selector == "app.kubernetes.io/component=redis,app.kubernetes.io/name=queue"
    assert written.kube.password.secret == "queue"  # type: ignore[union-attr]


def test_what_may_not_be_read_is_a_sentence_and_no_guess(server: Server, tmp_path: Path):
    serve_redisfailover(server, "saasodoo", redisfailover("redis-cluster", "saasodoo"))
    del server.answers["GET", "/api/v1/pods"]
    written = Written(server, tmp_path, "saasodoo")

    assert written.kube.operator is None
    assert "may not list the pods of all namespaces" in written.said
    assert "The settings of rfr-redis-cluster-0 could not be asked for in its pod: Handshake status 404" in written.said
    assert "# as the RedisFailover asks for; the servers did not say" in written.text
    assert "redis-cli" not in written.text


def test_the_manifests_that_deploy_it_are_named_from_the_scenarios_folder(server: Server, tmp_path: Path):
    served(server, "redis", of_scenario("statefulset", "redis/"))
    (tmp_path / "deploy").mkdir()
    written = Written(server, tmp_path, "redis", "--manifests", str(tmp_path / "deploy"))

    assert written.kube.manifests == ("../deploy",)


@pytest.mark.parametrize(
    ("pods", "why"),
    [
        ([], "no pod in namespace web runs Redis or Valkey"),
        ([("redis", ["redis"])], "no pod in namespace web runs Sentinel"),
        ([("redis", ["redis", "sentinel"])], "Sentinel runs in the pods of Redis"),
    ],
)
def test_a_namespace_without_such_a_system_is_refused(pods: list[tuple[str, list[str]]], why: str):
    there = [
        {
            "metadata": {"name": f"{name}-0", "namespace": "web"},
            "spec": {"containers": [{"name": one, "image": "docker.io/bitnami/redis:7.2"} for one in containers]},
            "status": {"phase": "Running"},
        }
        for name, containers in pods
    ]
    with pytest.raises(ScenarioError, match=why):
        found(NamespaceObjects(namespace="web", pods=there, services=[]))


# What servers say of themselves.


def system_of(scenario: str) -> FoundSystem:
    with serving() as one:
        served(one, "redis", of_scenario(scenario, "redis/"))
        pods = one.answers["GET", "/api/v1/namespaces/redis/pods"]["items"]
    return found(NamespaceObjects(namespace="redis", pods=pods, services=[]))


@pytest.mark.redis
def test_a_server_is_asked_in_its_own_container_and_the_password_stays_in_its_variable(start: Start):  # noqa: F811
    """The command is run here by the same shell, with the same redis-cli, as in a container."""
    server = start("--requirepass", "very-secret", "--maxmemory", "100mb", "--appendonly", "yes")
    command = asking(server.port, [f"CONFIG GET {name}" for name in ("maxmemory", "appendonly")], "REDIS_PASSWORD")
    system = system_of("statefulset")

    answer = answered(command, {"REDIS_PASSWORD": "very-secret"})
    from_redis(system, answer)

    assert system.settings["redis"] == {"maxmemory": 104857600, "appendonly": "yes"}
    assert system.said["redis"] == "as it was in effect"
    assert "very-secret" not in " ".join(command)


def test_what_a_program_says_as_it_ends_is_heard(server: Server, tmp_path: Path):
    """redis-cli answers and ends at once, so that its answer and the end of the stream may come together."""
    served(server, "redis", of_scenario("statefulset", "redis/"))
    pods = "/api/v1/namespaces/redis/pods"
    server.answers["GET", f"{pods}/redis-0/exec"] = told("maxmemory\n104857600\nappendonly\nyes\n")
    server.answers["GET", f"{pods}/sentinel-0/exec"] = told("name\nmaster-1\nip\n10.0.0.1\nquorum\n2\n")
    written = Written(server, tmp_path, "redis")

    settings = written.scenario.system.settings
    assert (settings.redis, settings.sentinel) == ({"maxmemory": 104857600, "appendonly": "yes"}, {"quorum": 2})
    assert written.kube.sentinel.master == "master-1"
    assert "could not be asked for" not in written.said


def told(said: str) -> Exec:
    """What the command of `asking` writes for this answer of redis-cli."""
    return Exec(json.dumps({"id": 1, "said": base64.b64encode(said.encode()).decode()}) + "\n")


@pytest.mark.redis
def test_a_server_that_refuses_is_a_sentence(start: Start):  # noqa: F811
    server = start("--requirepass", "very-secret")
    system = system_of("statefulset")

    from_redis(system, answered(asking(server.port, ["CONFIG GET maxmemory"]), {}))

    assert "Redis did not say its settings: NOAUTH Authentication required." in system.remarks[-1]
    assert "redis" not in system.settings


def answered(command: list[str], variables: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        input=b'{"do": "ask", "id": 1}\n',
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["id"] == 1
    return base64.b64decode(answer["said"]).decode()


@pytest.mark.redis
def test_a_real_sentinel_names_its_master_and_says_its_settings(rig: Rig):
    system = system_of("statefulset")

    from_sentinel(system, answered(asking(rig.member(SENTINELS[0]).port, ["SENTINEL MASTERS"]), {}))

    assert system.master_name == "mymaster"
    assert system.settings["sentinel"] == {
        "down-after-milliseconds": 2000,
        "failover-timeout": 3000,
        "parallel-syncs": 2,
        "quorum": 2,
    }


# From a Sentinel.


@pytest.mark.redis
def test_of_a_sentinel_a_scenario_for_watch_is_written(rig: Rig, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    asked = f"{LOOPBACK}:{rig.member(SENTINELS[0]).port}"
    rig.kill(REDIS[2])

    assert entry(["init", "--sentinel", asked, "--out", str(tmp_path / "mine")]) == 0

    scenario = load(str(tmp_path / "mine")).scenario
    addresses = scenario.system.addresses
    assert addresses is not None
    assert addresses.sentinels[0] == asked
    assert set(addresses.sentinels) == {rig.member(name).ip_port for name in SENTINELS}
    assert (scenario.system.replicas, scenario.system.sentinels) == (2, 3)
    assert scenario.system.settings.sentinel["down-after-milliseconds"] == 2000
    assert scenario.system.settings.redis["maxmemory-policy"] == "noeviction"
    assert scenario.clients["sentinel"].sentinel == asked
    assert "Redis 7" in scenario.about or "Redis 6" in scenario.about
    assert entry(["run", str(tmp_path / "mine")]) == ScenarioError.exit_code
    assert "which failover watch --scenario mine measures" in capsys.readouterr().err


@pytest.mark.redis
def test_a_sentinels_usual_troubles_are_said_with_what_helps(rig: Rig, capsys: pytest.CaptureFixture[str]):
    asked, redis = (f"{LOOPBACK}:{rig.member(name).port}" for name in (SENTINELS[0], REDIS[0]))

    for words, said in (
        (["--sentinel", redis], f"{redis} refuses: ERR unknown command 'SENTINEL', with args"),
        (["--sentinel", asked, "--master", "cache"], "watches no master cache; it watches mymaster"),
        (
            ["--sentinel", f"{LOOPBACK}:1"],
            "nothing listens at 127.0.0.1:1: connection refused; Sentinel listens on 26379",
        ),
        (
            ["--sentinel", asked, "--tls"],
            "does not answer within 2 s: is it the right address, and does that port speak",
        ),
        (["--sentinel", "no.such.name.invalid:1"], "no.such.name.invalid:1: the name does not resolve ("),
        (["--sentinel", "redis-a"], 'redis-a" is not an address'),
        ([], "say where to look: --context and --namespace, or --sentinel"),
    ):
        assert entry(["init", *words]) != 0
        assert said in capsys.readouterr().err


@pytest.mark.redis
def test_a_master_that_cannot_be_read_is_a_sentence(rig: Rig, tmp_path: Path):
    call(rig.member(REDIS[0]).port, "CONFIG", "SET", "requirepass", "very-secret")
    asked = f"{LOOPBACK}:{rig.member(SENTINELS[0]).port}"

    assert entry(["init", "--sentinel", asked, "--out", str(tmp_path / "mine")]) == 0

    text = (tmp_path / "mine" / "scenario.yaml").read_text()
    assert "NOAUTH" in text
    assert "FAILOVER_REDIS_PASSWORD" in text
    assert yaml.safe_load(text)["system"]["settings"].keys() == {"sentinel"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--sentinel", "a:1", "--context", "c"], "--sentinel asks a Sentinel and no cluster: leave out --context"),
        (["--sentinel", "a:1", "--namespace", "n", "--manifests", "m"], "leave out --manifests, --namespace"),
        (
            ["--context", "c", "--namespace", "n", "--master", "m"],
            "--context asks a cluster alone: leave out --master",
        ),
        (["--context", "c", "--namespace", "n", "--tls"], "--context asks a cluster alone: leave out --tls"),
        (["--context", "c"], "say where to look: --context and --namespace, or --sentinel"),
    ],
)
def test_what_is_for_the_other_way_is_refused(words: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    assert entry(["init", *words]) == ScenarioError.exit_code
    assert said in capsys.readouterr().err


def test_a_kubeconfig_or_a_context_that_is_not_there_is_named(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    words = ["init", "--context", "prod", "--namespace", "redis"]
    for where in ("--kubeconfig", "KUBECONFIG", "HOME"):
        nowhere = tmp_path / where
        monkeypatch.setenv("HOME", str(nowhere))
        monkeypatch.setenv("KUBECONFIG", str(nowhere) if where == "KUBECONFIG" else "")
        options = ["--kubeconfig", str(nowhere)] if where == "--kubeconfig" else []
        assert entry([*words, *options]) == SetupError.exit_code
        file = nowhere / ".kube" / "config" if where == "HOME" else nowhere
        assert f"there is no kubeconfig {file}: name the file by --kubeconfig" in capsys.readouterr().err
    there = server.kubeconfig(tmp_path)
    assert entry([*words, "--kubeconfig", str(there)]) == SetupError.exit_code
    assert f"cannot use context prod of kubeconfig {there}: " in capsys.readouterr().err


def test_a_file_that_is_there_is_kept(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    served(server, "redis", of_scenario("statefulset", "redis/"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "scenario.yaml").write_text("about: mine\n")
    words = ["--context", "fake", "--kubeconfig", str(server.kubeconfig(tmp_path)), "--namespace", "redis"]

    assert entry(["init", *words, "--out", str(tmp_path / "mine")]) == ScenarioError.exit_code
    assert "is there already and is kept" in capsys.readouterr().err
    assert (tmp_path / "mine" / "scenario.yaml").read_text() == "about: mine\n"


def test_what_options_say_holds_over_the_environment(tmp_path: Path):
    file = tmp_path / "password"
    file.write_text("from the file\n")
    given = {"user": "app", "sentinel_password_file": file, "tls": False, "cacert": Path("/ca.crt")}
    environment = {"FAILOVER_REDIS_PASSWORD": "a", "FAILOVER_SENTINEL_PASSWORD": "b"}

    accesses = Accesses.asked(given, environment)

    assert accesses.redis.login == ("AUTH", "app", "a")
    assert accesses.sentinel == Access(password="from the file", tls=accesses.redis.tls)
    assert accesses.redis.tls is not None, "an authority is named, so TLS is meant"
