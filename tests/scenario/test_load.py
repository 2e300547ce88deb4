"""A scenario is loaded strictly, and each error says where, what, and what would be right."""

from pathlib import Path

import pytest

from chaos.errors import ScenarioError
from chaos.scenario import Scenario, load

TEXT = """\
about: A small one
system:
  kube:
    manifests: [redis/]
    namespace: ours
    images: [redis:7.0.15-alpine]
    redis: {selector: app=redis}
    sentinel: {selector: app=sentinel, service: rfs}
  settings:
    sentinel: {down-after-milliseconds: 5000}
  period: 1s
clients:
  service: {address: redis:6379}
targets:
  recovery: {limit: 15s, gate: true}
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A working directory with one scenario, `mine`; returns a function that changes its text."""
    folder = tmp_path / "scenarios" / "mine"
    (folder / "redis").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    def write(old="", new=""):
        assert old in TEXT
        (folder / "scenario.yaml").write_text(TEXT.replace(old, new, 1) if old else TEXT + new)
        return "mine"

    write()
    return write


def test_a_scenario_is_found_by_name_by_folder_and_by_file(mine):
    by_name = load("mine")
    assert by_name.scenario.name == "mine"
    assert by_name.folder == Path("scenarios/mine").resolve()
    assert load("scenarios/mine") == by_name
    assert load("scenarios/mine/scenario.yaml") == by_name


def test_the_folder_that_one_stands_in_is_a_path_too(mine, monkeypatch):
    monkeypatch.chdir("scenarios/mine")
    assert load(".").scenario.name == "mine"


def test_the_working_directory_hides_what_ships_with_us(mine):
    assert load("redis-operator").folder.name == "redis-operator"
    Path("scenarios/mine").rename("scenarios/redis-operator")
    assert load("redis-operator").scenario.about == "A small one"


def test_an_unknown_name_says_the_nearest_one(mine):
    with pytest.raises(ScenarioError, match=r'no scenario is called "redis-operater"; did you mean redis-operator\?'):
        load("redis-operater")
    with pytest.raises(
        ScenarioError, match=r"known here: haproxy, mine, operator-model, redis-operator, sentinel, statefulset"
    ):
        load("zzz")


def test_a_path_that_is_not_there_is_named(mine):
    with pytest.raises(ScenarioError, match="scenarios/nix: no such scenario"):
        load("scenarios/nix")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("redis:6379}", "redis:6379, rate_each: 50 per s}", 'yaml:13: clients.service.rate_each: "50 per s" is not'),
        (
            "redis:6379}",
            "redis:6379, rat_each: 50/s}",
            "yaml:13: clients.service.rat_each: no such key; did you",
        ),
        ("recovery", "recovry", "yaml:15: targets.recovry: no such key; did you mean recovery?"),
        ("limit: 15s", "limit: 15", 'yaml:15: targets.recovery.limit: "15" is not a duration; write 5s'),
        ("  period: 1s\n", "", "yaml:2: system.period is missing"),
        ("redis:6379}", "redis:6379, count: 0}", 'yaml:13: clients.service.count: "0" will'),
        ("address: redis:6379", "count: 1", "yaml:13: clients.service.address: a client has an address or a sentinel"),
        ("redis:6379}", "redis:6379, gate: 1}", 'yaml:13: clients.service.gate: "1" will not do: true or false is'),
        ("redis:6379}", "redis:6379, rate_each: [5]}", "yaml:13: clients.service.rate_each: a list is not a rate"),
        ("redis:6379}", "redis:6379}\ndatabase: 16\nlimits:\n  deadline: 1s", "yaml:16: limits.deadline: no such key"),
        ("redis:6379}", "redis:6379}\ndeadline: 20s", "yaml:14: deadline: 20 s is as long as the whole baseline of 10"),
        ("recovery: {", "total: {limit: 1s}\n  recovery: {", "yaml:15: targets.total: total is called downtime now"),
        ("address: redis:6379", "address: redis", 'yaml:13: clients.service.address: "redis" is not an address'),
        ("[redis/]", "[nix/]", "yaml:4: system.kube.manifests.0: scenarios/mine/nix is not there"),
        ("app=sentinel,", "app=sentinel, servce: x,", "yaml:8: system.kube.sentinel.servce: no such key; did you mean"),
        ("about:", "name: other\nabout:", "yaml:1: name: the folder is the name"),
        ("", "zzz: 1\n", "yaml:16: zzz: no such key; known here: about, system"),
        ("", "limits: 5\n", 'yaml:16: limits: "5" will'),
        ("recovery: {limit: 15s", "lost_after: {limit: 1s", 'yaml:15: targets.lost_after.limit: "1s"'),
    ],
)
def test_an_error_names_file_line_and_path_and_what_would_be_right(mine, old, new, says):
    with pytest.raises(ScenarioError) as error:
        load(mine(old, new))
    assert f"scenarios/mine/scenario.{says}" in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("  period: 1s", "  replicas: {{ .Values.replicas }}\n  period: 1s", "11: this is a template and not YAML"),
        ("redis:6379", '"{{ .Values.host }}:6379"', "13: this is a template and not YAML; render it first"),
        ("about: A", "{{- if .Values.on }}\nabout: A", "1: this is a template and not YAML"),
        (
            "about: A",
            "apiVersion: apps/v1\nkind: StatefulSet\nabout: A",
            "2: this is a StatefulSet, a Kube",
        ),
        ("  period: 1s", "  ? [a]\n  : 1\n  period: 1s", "11: a key is a word or a number"),
    ],
)
def test_a_file_of_another_kind_is_called_what_it_is(mine, old, new, says):
    with pytest.raises(ScenarioError) as error:
        load(mine(old, new))
    assert f"scenarios/mine/scenario.yaml:{says}" in str(error.value)


def test_a_manifest_that_is_a_template_is_refused_at_load(mine):
    Path("scenarios/mine/redis/redis.yaml").write_text("kind: StatefulSet\nspec:\n  replicas: {{ .Values.replicas }}\n")
    with pytest.raises(ScenarioError, match=r"scenarios/mine/redis/redis\.yaml:3: this is a template and not YAML"):
        load("mine")


def test_every_error_has_a_line_of_its_own(mine):
    with pytest.raises(ScenarioError) as error:
        load(mine("limit: 15s, gate: true", "limt: 15s, gaet: true"))
    assert len(str(error.value).splitlines()) == 3


def test_an_override_is_checked_as_the_file_is(mine):
    assert load("mine", {"limits.watch": "5s"}).scenario.limits.watch == 5
    with pytest.raises(ScenarioError, match=r"--set limits\.watch=5: limits\.watch: .* is not a duration"):
        load("mine", {"limits.watch": "5"})
    with pytest.raises(ScenarioError, match=r"--set limits\.wacth=5s: limits\.wacth: no such key; did you mean watch"):
        load("mine", {"limits.wacth": "5s"})


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("clients.service.address", "redis:99999", '"99999" is not a port; write a number from 1 to 65535'),
        ("clients.service.address", "redis:0", '"0" is not a port'),
        ("clients.service.address", "'[fd00::zz]:6379'", '"[fd00::zz]:6379" is not an address'),
        ("system.local.port", "0", '"0" is not a port'),
        ("system.local.sentinel.port", "99999", '"99999" is not a port'),
        ("system.local.sentinel.master", "my master", '"my master" is not a name; write letters, digits and'),
        ("system.local.sentinel.name", "redis", 'Redis and Sentinel would both be called "redis"'),
        ("system.local.sentinel.service", "redis", "\"redis\" would be two Services, the master's and Sentinel's"),
        ("system.local.sentinel.service", "haproxy-0", '"haproxy-0" is the name of a member'),
        ("system.local.endpoint.service", "controller", '"controller" is the name of a member'),
        ("system.local.endpoint.service", "127.0.0.1", '"127.0.0.1" is this machine or an address'),
        ("system.local.endpoint.every", "0", "0 is no time in which anything could happen"),
        ("system.local.endpoint.mode", "polls", "will not do: write 'sentinel', 'poll', 'resync' or 'haproxy'"),
        ("system.local.user", "mine", "a user needs a password; write password: generated"),
        ("system.settings.proxy.inter", "0", "0 is no time in which anything could happen"),
        ("system.settings.proxy.inter", "0.5ms", "0.5ms will not do: HAProxy takes whole milliseconds"),
        ("system.local.redis", "a/b", '"a/b" is not a name'),
        ("database", "-1", '"-1" will not do: at least 0 is needed'),
        ("database", "16", "there is no database 16: Redis has 16 here, numbered from 0 to 15"),
        ("database", "yes", '"true" will not do: a whole number is needed'),
        ("system.replicas", "yes", '"true" will not do: a whole number is needed'),
        ("system.replicas", "1000", '"1000" will not do: at most 50 is possible'),
        ("clients.service.count", "true", '"true" will not do: a whole number is needed'),
        ("clients.service.rate_each", "100000/s", "more than one client can send, which is 1000/s"),
        ("clients", "{}", "clients is empty: without a client nothing would be measured"),
        ("limits.recovery", "0", "0 is no time in which anything could happen"),
        ("deadline", "0s", "0 is no time in which anything could happen"),
        ("clients.service.count", "1000", '"1000" will not do: at most 100 is possible'),
        ("clients.service.rate_each", "0.1/s", "it would send nothing in the baseline of 3 s; write 0.34/s or more"),
        ("clients.service", "{address: redis:1, count: 100, rate_each: 50/s}", "they would write 10100 times a second"),
        ("targets.lost_tail.limit", "yes", '"true" is not a count; write 0'),
        ("targets.detection.gate", "1", '"1" will not do: true or false is needed'),
        ("system.local.endpoint.service", "redis-0", '"redis-0" is the name of a member; a Service needs its own name'),
        (
            "system.local.sentinel.service",
            "sentinel-1",
            '"sentinel-1" is the name of a member; a Service needs its own',
        ),
        ("clients.a/b", "{address: redis:1}", '"a/b" is not a name'),
        ("system.replicas", "two", '"two" will not do: a whole number is needed'),
        ("limits", "", "nothing is written here: keys and values below it are needed"),
    ],
)
def test_what_no_system_can_have_is_refused_at_load(key, value, says):
    with pytest.raises(ScenarioError) as error:
        load("sentinel", {key: value})
    assert says in str(error.value)
    assert str(error.value).startswith(f"--set {key}=")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("clients.service.count", "10"),
        ("clients.service.rate_each", "0.34/s"),
        ("clients.service.rate_each", "1000/s"),
        ("deadline", "2.9s"),
        ("database", "15"),
        ("limits.stable", "0"),
        ("limits.watch", "0"),
        ("targets.lost_before.limit", "0"),
        ("targets.recovery.limit", "0"),
        ("targets.detection.gate", "yes"),
        ("system.period", "0"),
        ("system.replicas", "50"),
        ("system.local.ready", "0"),
        ("system.local.endpoint.service", "redis-a"),
        ("system.local.redis", "haproxy"),
        ("system.settings.proxy.inter", "1ms"),
    ],
)
def test_what_is_near_and_has_a_meaning_is_loaded(key: str, value: str):
    assert load("sentinel", {key: value}).scenario.name == "sentinel"


def test_an_ipv6_address_stands_in_brackets():
    for written in ("'[fd00::10]:6379'", "[fd00::10]:6379"):
        loaded = load("sentinel", {"clients.service.address": written})
        assert loaded.scenario.clients["service"].address == "[fd00::10]:6379"


def test_an_experiment_is_no_scenario(mine):
    Path("scenarios/mine/scenario.yaml").write_text("title: Mine\nmethod: []\n")
    with pytest.raises(ScenarioError, match=r"scenario\.yaml:1: this is an experiment, and a scenario is needed here"):
        load("mine")


@pytest.mark.parametrize(
    ("settings", "blamed"),
    [
        ({"system.local.redis": "sentinel"}, "--set system.local.redis=sentinel: system.local.redis: "),
        ({"limits.baseline": "50ms"}, "--set limits.baseline=50ms: limits.baseline: "),
        ({"clients.service.sentinel": "s:1"}, "--set clients.service.sentinel=s:1: clients.service.sentinel: "),
    ],
)
def test_of_two_values_that_contradict_each_other_the_one_that_was_typed_is_blamed(settings, blamed):
    with pytest.raises(ScenarioError) as error:
        load("sentinel", {"limits.stable": "5s", **settings})
    assert str(error.value).startswith(blamed)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "blamed"),
    [
        ({"limits.watch": "5s"}, "scenario.yaml:13: database: "),
        ({"system.settings.redis.databases": "1"}, "--set system.settings.redis.databases=1: system.settings.redis."),
    ],
)
def test_a_files_own_contradiction_is_blamed_on_the_file_whatever_was_typed(mine, settings, blamed):
    given = mine("  period: 1s", "    redis: {databases: 7}\n  period: 1s\ndatabase: 7")
    with pytest.raises(ScenarioError, match="there is no database 7") as error:
        load(given, settings)
    assert blamed in str(error.value)


def test_haproxys_own_name_is_refused_where_there_is_one():
    with pytest.raises(ScenarioError, match='"haproxy" names the HAProxy; members need different names'):
        load("haproxy", {"system.local.redis": "haproxy"})


def test_a_database_that_the_settings_make_is_there():
    assert load("sentinel", {"database": "16", "system.settings.redis.databases": "17"}).scenario.database == 16
    with pytest.raises(ScenarioError, match="Redis has 1 here, numbered from 0 to 0"):
        load("sentinel", {"database": "1", "system.settings.redis.databases": "1"})


@pytest.mark.parametrize(
    ("target", "limit", "floor"),
    [("detection", "4s", "after 5 s"), ("detection", "5s", "after 5 s"), ("promotion", "5.1s", "after 5.2 s")],
)
def test_a_target_below_what_the_settings_allow_is_a_warning_with_the_floor(mine, target, limit, floor):
    warning, *more = load(mine("", f"  {target}: {{limit: {limit}}}\n")).warnings
    assert warning.startswith(f"scenarios/mine/scenario.yaml:16: targets.{target}: ")
    assert "down-after-milliseconds 5000" in warning
    assert floor in warning
    assert not more


def test_a_target_that_can_be_kept_is_no_warning(mine):
    assert load(mine("", "  detection: {limit: 5.5s}\n")).warnings == ()


@pytest.mark.parametrize(("down_after_ms", "warnings"), [(1000, 1), (1100, 1), (1101, 0)])
def test_a_down_after_that_a_switch_alone_may_last_is_a_warning(mine, down_after_ms, warnings):
    key = "system.settings.sentinel.down-after-milliseconds"
    found = load(mine("", ""), {key: str(down_after_ms)}).warnings
    assert len(found) == warnings
    assert all(f"{key}: {down_after_ms}: a second failover may follow" in warning for warning in found)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("election", "failover_start"),
        ("endpoint_update", "endpoint"),
        ("reconnect", "recovery"),
        ("total", "downtime"),
        ("lost_acknowledged", "lost_before, lost_tail and lost_after"),
    ],
)
def test_a_claims_old_name_is_refused_with_the_new_one(mine, old, new):
    with pytest.raises(ScenarioError, match=f"{old} is called {new} now"):
        load(mine("", f"  {old}: {{limit: 20s}}\n"))


def test_what_is_promised_where_nobody_says_otherwise(mine):
    targets = load("mine").scenario.targets
    assert {name: (one.limit, one.gate) for name, one in targets.items()} == {
        "recovery": (15.0, True),
        "downtime": (15.0, True),
        "lost_before": (0.0, True),
        "works_at_end": (None, True),
    }
    own = load(mine("", "  downtime: {limit: 20s, gate: false}\n  works_at_end: {gate: false}\n")).scenario.targets
    assert (own["downtime"].limit, own["downtime"].gate, own["works_at_end"].gate) == (20.0, False, False)


def test_without_a_declared_down_after_nothing_is_said_of_floors(mine):
    assert load(mine("{down-after-milliseconds: 5000}", "{}"), {"targets.detection.limit": "1s"}).warnings == ()


def test_expectations_of_an_experiment_that_nobody_knows_are_a_warning(mine):
    warning, *_ = load(mine("", "experiments: {no-fualt: {failovers: 0}}\n")).warnings
    assert "experiments.no-fualt: no experiment has this name; did you mean no-fault?" in warning


def test_a_loaded_scenario_comes_back_from_its_json(mine):
    scenario = load("redis-operator").scenario
    assert Scenario.model_validate(scenario.model_dump(mode="json")) == scenario


def test_the_shipped_scenario_says_what_is_known_of_it():
    """Its one warning is true: Sentinel cannot say +sdown within the five seconds that it has to wait for."""
    loaded = load("redis-operator")
    assert set(loaded.scenario.clients) == {"service", "sentinel", "given", "app"}
    assert ["targets.detection" in warning for warning in loaded.warnings] == [True]
