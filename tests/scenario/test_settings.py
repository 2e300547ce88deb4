"""Settings are checked as Redis and Sentinel check them, and spelt as they report them."""

import subprocess
import time

import pytest
import redis
from packaging.version import Version

from chaos.cluster.local.config import setting_lines
from chaos.errors import ScenarioError
from chaos.scenario import load
from chaos.scenario.schema import schema
from chaos.scenario.settings import Settings, names_of

REDIS, SENTINEL = "system.settings.redis", "system.settings.sentinel"


def declared(key: str, value: str) -> dict[str, str | int]:
    settings = load("sentinel", {f"{REDIS}.{key}": value}).scenario.system.settings
    return {name: one for name, one in settings.redis.items() if name != "appendonly" or key == "appendonly"}


@pytest.mark.parametrize(
    ("key", "written", "loaded"),
    [
        ("appendonly", "yes", "yes"),
        ("appendonly", "no", "no"),
        ("appendonly", "true", "yes"),
        ("appendonly", '"YES"', "yes"),
        ("appendfsync", "no", "no"),
        ("maxmemory", "512mb", 536870912),
        ("maxmemory", "1k", 1000),
        ("maxmemory", "536870912", 536870912),
        ("maxclients", "100", 100),
        ("save", '""', ""),
        ("save", "900 1", "900 1"),
        ("save", "900 1  300 10", "900 1 300 10"),
        ("save", "0900 01", "900 1"),
        ("client-output-buffer-limit", "replica 1kb 0 5", "normal 0 0 0 slave 1024 0 5 pubsub 33554432 8388608 60"),
        ("notify-keyspace-events", "KEA", "AKE"),
        ("notify-keyspace-events", "m$Eg", "g$Em"),
        ("maxmemory-clients", "5%", "5%"),
        ("maxmemory-clients", "1mb", "1048576"),
        ("latency-tracking-info-percentiles", "50.0 99.90", "50 99.9"),
        ("shutdown-on-sigterm", "NOW save", "save now"),
        ("oom-score-adj-values", "0  200 800", "0 200 800"),
        ("oom-score-adj", "relative", "yes"),
        ("tls-auth-clients-user", "cn", "CN"),
        ("watchdog-period", "0", 0),
        ("watchdog-period", "200", 200),
        ("maxclients", "1000", 1000),
        ("repl-timeout", "5", 5),
        ("oom-score-adj", "yes", "yes"),
    ],
)
def test_a_value_is_loaded_as_the_server_reports_it(key, written, loaded):
    assert declared(key, written) == {key: loaded}


def test_a_bare_yes_in_a_file_is_a_word(tmp_path):
    text = (load("sentinel").folder / "scenario.yaml").read_text()
    assert 'appendonly: "yes"' in text
    (tmp_path / "scenario.yaml").write_text(text.replace('appendonly: "yes"', "appendonly: yes"))
    assert load(str(tmp_path)).scenario.system.settings.redis == {"appendonly": "yes"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("slave-priority", "replica-priority"),
        ("min-slaves-to-write", "min-replicas-to-write"),
        ("min-slaves-max-lag", "min-replicas-max-lag"),
        ("repl-ping-slave-period", "repl-ping-replica-period"),
        ("hash-max-ziplist-entries", "hash-max-listpack-entries"),
    ],
)
def test_an_old_name_is_the_setting_that_it_is_called_today(old, new):
    assert declared(old, "7") == {new: 7}
    assert list(names_of(new)) == [new, old]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        (f"{REDIS}.appendonly", "perhaps", '"perhaps" is none of: yes, no'),
        (f"{REDIS}.maxmemory", "lots", '"lots" is no amount of memory; write 512mb, or the bytes'),
        (f"{REDIS}.maxmemory", "true", '"true" is no amount of memory'),
        (f"{REDIS}.repl-timeout", "5s", "the server takes whole seconds without one: write 5"),
        (f"{REDIS}.repl-timeout", "500ms", "the server takes whole seconds without one: which cannot say this"),
        (f"{REDIS}.maxmemory-policy", "lru", '"lru" is none of: noeviction, allkeys-lru'),
        (f"{REDIS}.slave-priority", "-1", "-1 is out of bounds; the server takes at least 0"),
        (f"{REDIS}.active-defrag-cycle-max", "100", "the server takes from 1 to 99"),
        (f"{REDIS}.maxclients", "", "an empty value is not a whole number"),
        (f"{REDIS}.save", "", "an empty value will not do: write pairs of seconds"),
        (f"{REDIS}.save", "60", '"60" will not do: write pairs of seconds (at least 1) and changes'),
        (f"{REDIS}.save", "0 1", '"0 1" will not do: write pairs of seconds (at least 1)'),
        (f"{REDIS}.save", "900 99999999999", "will not do: write pairs of seconds"),
        (f"{REDIS}.server-cpulist", "", "an empty value is neither a word nor a number"),
        (f"{REDIS}.dbfilename", "a/b.rdb", '"a/b.rdb" will not do: write the name of a file'),
        (f"{REDIS}.appendfilename", '""', "write the name of a file, without a folder"),
        (f"{REDIS}.watchdog-period", "100", "the server takes 0, or at least 200"),
        (f"{REDIS}.maxmemory-clients", "150%", '"150%" will not do: write bytes, or per cent of maxmemory up to 100'),
        (f"{REDIS}.notify-keyspace-events", "KEZ", '"KEZ" will not do: write letters of K, E, A, g, $'),
        (f"{REDIS}.latency-tracking-info-percentiles", "101", "write numbers from 0 to 100"),
        (f"{REDIS}.shutdown-on-sigint", "save nosave", "but not both save and nosave"),
        (f"{REDIS}.oom-score-adj-values", "1 2", "write three numbers from -2000 to 2000"),
        (f"{REDIS}.hll-sparse-max-bytes", "9000000000gb", "is too much; Redis takes at most 9223372036854775807 bytes"),
        (f"{REDIS}.maxclients", "2000000000", "files here, so that Redis lowers it; write"),
        (f"{REDIS}.save", "yes", '"true" will not do: write pairs of seconds'),
        (f"{REDIS}.hz", "0", "0 is out of bounds; the server takes from 1 to 500"),
        (f"{REDIS}.repl-backlog-size", "1kb", "1kb is too little; Redis takes at least 16384 bytes"),
        (f"{REDIS}.client-output-buffer-limit", "256mb", '"256mb" will not do: write class, hard limit'),
        (f"{REDIS}.client-output-buffer-limit", "replicas 1 1 1", "the classes are normal, replica, pubsub"),
        (f"{REDIS}.maxclient", "1", "no such key; did you mean maxclients?"),
        (f"{REDIS}.prioritty", "1", "no such key; did you mean"),
        (f"{REDIS}.port", "6380", "each member has its own"),
        (f"{REDIS}.rename-command", "x", "no server reports it"),
        (f"{REDIS}.cluster-enabled", "yes", "Redis Cluster has no Sentinel"),
        (f"{REDIS}", "yes", '"true" will not do: keys and values below it are needed'),
        (f"{SENTINEL}.down-after-milliseconds", "5s", '"5s" has a unit; the server takes whole milliseconds'),
        (f"{SENTINEL}.down-after-milliseconds", "5s", "write 5000"),
        (f"{SENTINEL}.failover-timeout", "0", "0 is out of bounds; the server takes at least 1"),
        (f"{SENTINEL}.failover-timeout", "true", '"true" is not a whole number of milliseconds'),
        (f"{SENTINEL}.quorum", "0", "0 is out of bounds"),
        (f"{SENTINEL}.quorum", "-1", "-1 is out of bounds"),
        (f"{SENTINEL}.quorum", "two", '"two" is not a whole number'),
        (f"{SENTINEL}.master-reboot-down-after-period", "1", "SENTINEL MASTER does not report it"),
        (f"{SENTINEL}.auth-user", "mine", "whoever logs in to Redis is system.local.user or system.kube.user"),
        (f"{SENTINEL}.sentinel-user", "mine", "whoever logs in to Sentinel is system.local.sentinel.user or"),
        (f"{REDIS}.masteruser", "mine", "whoever logs in to Redis is system.local.user or system.kube.user"),
        (f"{SENTINEL}.resolve-hostnames", "yes", "SENTINEL MASTER does not report it"),
    ],
)
def test_what_a_server_would_refuse_is_refused_at_load(key, value, says):
    with pytest.raises(ScenarioError) as error:
        load("sentinel", {key: value})
    assert str(error.value).startswith(f"--set {key}={value}: {key}: ")
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (f"{REDIS}.requirepass", "hunter2"),
        (f"{REDIS}.masterauth", "hunter2"),
        (f"{REDIS}.primaryauth", "hunter2"),
        (f"{SENTINEL}.auth-pass", "hunter2"),
        (f"{SENTINEL}.sentinel-pass", "hunter2"),
        (f"{REDIS}.user", "default on >hunter2"),
        (REDIS, "{requirepass: hunter2}"),
        ("system.local.password", "hunter2"),
    ],
)
def test_a_password_is_refused_and_its_value_is_never_repeated(key, value):
    with pytest.raises(ScenarioError, match=r"no scenario holds a password|a password is given by") as error:
        load("sentinel", {key: value})
    assert "hunter2" not in str(error.value)


def test_a_password_in_an_address_is_not_repeated():
    with pytest.raises(ScenarioError, match="an address is no URL; write host:port") as error:
        load("sentinel", {"clients.service": '{address: "redis://:hunter2@redis:6379"}'})
    assert "hunter2" not in str(error.value).partition("clients.service.address: ")[2]


def test_a_setting_under_both_of_its_names_is_refused():
    with pytest.raises(ScenarioError, match="are one setting; write one of them"):
        load("sentinel", {REDIS: "{slave-priority: 1, replica-priority: 2}"})


@pytest.mark.parametrize(("quorum", "warned"), [("4", True), ("3", False)])
def test_a_quorum_that_the_sentinels_cannot_reach_is_a_warning(quorum, warned):
    found = load("sentinel", {f"{SENTINEL}.quorum": quorum}).warnings
    assert [f"quorum: {quorum} cannot be reached: there are 3 Sentinels" in one for one in found] == [True] * warned


@pytest.mark.parametrize(("priority", "warned"), [("0", True), ("1", False)])
def test_replicas_that_may_never_be_promoted_are_a_warning(priority, warned):
    found = load("sentinel", {f"{REDIS}.replica-priority": priority}).warnings
    assert ["promotes no replica of priority 0" in one for one in found] == [True] * warned


@pytest.fixture
def started(server, tmp_path):
    """Starts a server that is set as `lines` say; returns what CONFIG GET says of it."""
    running = []

    def start(*lines):
        conf = tmp_path / "redis.conf"
        conf.write_text("\n".join([f"dir {tmp_path}", "port 0", f"unixsocket {tmp_path}/socket", *lines]) + "\n")
        running.append(subprocess.Popen([server.program, conf], stdout=subprocess.DEVNULL))
        for _ in range(500):
            if (tmp_path / "socket").exists():
                break
            time.sleep(0.01)
        return redis.Redis(unix_socket_path=str(tmp_path / "socket"), decode_responses=True).config_get("*")

    yield start
    for process in running:
        process.kill()
        process.wait()


@pytest.mark.redis
def test_a_real_server_reports_each_kind_of_value_as_it_is_loaded(started, server):
    written: dict[str, object] = {
        "appendonly": True,
        "maxmemory": "512mb",
        "slave-priority": 7,
        "maxclients": 100,
        "appendfsync": False,
        "repl-timeout": "30",
        "save": "900 1 300 10",
        "hz": 500,
        "repl-backlog-size": "16kb",
        "client-output-buffer-limit": "replica 256mb 64mb 60 pubsub 1mb 1mb 5",
        "min-slaves-to-write": 1,
        "notify-keyspace-events": "mxK$E",
        "oom-score-adj-values": "0 200 800",
        "oom-score-adj": "relative",
        "dbfilename": "mine.rdb",
        "maxmemory-policy": "allkeys-lru",
    }
    if Version(server.version).major >= 7:
        written |= {
            "maxmemory-clients": "5%",
            "latency-tracking-info-percentiles": "50.0 99.9",
            "shutdown-on-sigint": "now save",
        }
    loaded = Settings.model_validate({"redis": written}).redis
    reported = started(*(line for name, value in loaded.items() for line in setting_lines(name, value)))
    assert {name: reported[name] for name in loaded} == {name: str(value) for name, value in loaded.items()}


@pytest.mark.redis
@pytest.mark.parametrize(
    ("name", "written"),
    [("hz", "0"), ("hz", "501"), ("repl-backlog-size", "1kb"), ("save", "9 99999999999")],
)
def test_what_a_real_server_changes_without_a_word_is_refused_at_load(started, name, written):
    assert started(f"{name} {written}")[name] != written
    with pytest.raises(ScenarioError, match=name):
        load("sentinel", {f"{REDIS}.{name}": written})


def test_what_an_operator_cannot_set_while_redis_runs_is_refused_where_one_is_modelled():
    with pytest.raises(ScenarioError, match="Redis takes it from its file alone; leave it out"):
        load("operator-model", {f"{REDIS}.databases": "20"})
    assert load("operator-model", {f"{REDIS}.hz": "20"}).scenario.system.settings.redis["hz"] == 20
    assert declared("databases", "20") == {"databases": 20}


@pytest.mark.redis
def test_no_setting_of_a_real_server_is_unknown_here(started):
    """Of those that are left out, Redis Cluster's have no meaning under Sentinel."""
    known = words_known()
    unknown = {name for name in started() if name not in known and not name.startswith("cluster-")}
    assert not [name for name in unknown if not name.startswith(OUT_OF_USE)]


OUT_OF_USE = ("aof-disable-auto-gc", "hash-seed", "rdma-", "slot-migration-")
"""For tests of Redis itself, for Valkey Cluster, and of a network that Redis and Sentinel do not share."""


def words_known() -> set[str]:
    found = schema()["$defs"]["Settings"]["properties"]["redis"]
    return set(found["properties"])
