"""An experiment's file is checked when it is loaded, and each sentence says where, what, and what would be right."""

from pathlib import Path

import pytest

from chaos.cluster.base import Ability
from chaos.errors import ScenarioError
from chaos.experiment.written import load
from chaos.fault.catalogue import FAULTS
from chaos.options import Options
from chaos.place import placed
from chaos.scenario import load as load_scenario
from chaos.suites import fitting
from tests.fakes import HERE

TEXT = (HERE / "experiments" / "partition-master.yaml").read_text()
"""Its method begins on line 13, its rollbacks on line 22."""
METHOD, ROLLBACKS = TEXT.index("method:"), TEXT.index("\nrollbacks:") + 1
CHAOS_MESH = """
apiVersion: chaos-mesh.org/v1alpha1
kind: PodChaos
metadata: {name: kill-redis}
spec: {action: pod-kill, mode: one, selector: {labelSelectors: {app: redis}}}
"""
LITMUS = """
apiVersion: litmuschaos.io/v1alpha1
kind: ChaosEngine
metadata: {name: kill-redis}
spec: {experiments: [{name: pod-delete}]}
"""


def said_of(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError) as error:
        load(path)
    lines = str(error.value).splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    return "\n".join(line.removeprefix(f"{path}:") for line in lines)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "target: master",
            "target: leader",
            '15: method.0.provider.arguments.target: a target "leader" is called master or sentinel-',
        ),
        ("target: master", "target: best-replca", 'there is no target "best-replca"; write master, replica, best-rep'),
        (
            "target: master",
            "target: mastr",
            'there is no target "mastr"; write master, replica, best-replica, ',
        ),
        (
            "target: master",
            "target: 5",
            '15: method.0.provider.arguments.target: partition takes a word or a list of words as target, and "5" is',
        ),
        ("longest_s: 120", "longest_s: 2m", 'partition takes a number as longest_s, and "2m" is none'),
        (
            "longest_s",
            "longest",
            "15: method.0.provider.arguments.longest: partition has no argument longest; did you mean longest_s?",
        ),
        ("func: partition", "func: partitoin", "has no function partitoin; did you mean partition?"),
        ("actions, func: partition", "act, func: partition", "module chaos.experiment.act cannot be imported"),
        ("func: partition, arg", "arg", "15: method.0.provider: a python provider needs module and func"),
        ("name: cut the", "nam: cut the", "14: method.0.nam: no such key; did you mean name?"),
        ("description:", "descriptoin:", "2: descriptoin: no such key; did you mean description?"),
        ("expects: failover", "expects: maybe", '"maybe" is none of failover, no-failover, nothing, any'),
        ("title: The master", "title: One\ntitle: The master", "2: title: stands here twice"),
        ("func: heal}}\n- {name: wait", "func: heal}}\n- {name: {{ .Values.name }}, wait", "template and not YAML"),
        ("longest_s: 120", "longest_s: {{ .Values.longest }}", "15: this is a template and not YAML; render it first"),
        ("strategy: always", "strategy: deviated", "7: runtime: chaostoolkit skips rollbacks when it is interrupted"),
        (
            "module: chaos.control",
            "module: chaos.contrl",
            "6: controls.0.provider.module: the control's module chaos.contrl can",
        ),
        ("tolerance: true, ", "", 'the probe "the recording is live" has no tolerance, which says what it has to'),
        ("name: cut the", "pauses: {before: soon}, name: cut the", '14: method.0.pauses.before: "soon" will not do: '),
        (
            "target: master",
            "target: []",
            "15: method.0.provider.arguments.target: target is an empty list; write a word for a target",
        ),
        (
            "longest_s: 120",
            "when: +odwn",
            "15: method.0.provider.arguments.when: Sentinel publishes no +odwn; did you mean +odown?",
        ),
        ("target: master", 'target: "${who}"', "${who} stands for nothing: `configuration` has no who"),
        (
            "target: master",
            "target: null",
            "partition takes a word or a list of words as target, and an empty value is",
        ),
        ("target: master", "target: [[a]]", "partition takes a word or a list of words as target, and a list is none"),
        ("longest_s: 120", "reject: 1", 'partition takes true or false as reject, and "1" is none'),
        ("longest_s: 120", "longest_s: true", 'takes a number as longest_s, and "true" is none'),
        ("longest_s: 120", "longest_s: 0", "0 will not do: longest_s is more than 0"),
        ("longest_s: 120", "longest_s: -1", "-1 will not do: longest_s is more than 0"),
        ("longest_s: 120", "when: within 0 s", '"within 0 s" is no wait; leave it out, or write within 10 s'),
        ("longest_s: 120", "when: 5", '"5" is no moment; write +odown, 2 s after +odown, promotion'),
        ("seconds: 90", "seconds: soon", "17: method.1.provider.arguments.seconds: hold takes a number as"),
        (", arguments: {seconds: 90}", "", "17: method.1.provider.arguments: hold needs seconds"),
        (
            "func: partition, arguments: {target: master, longest_s: 120}",
            "func: link",
            "link takes one of lossy_percent",
        ),
        ("module: chaos.control", "module: json", "5: controls: there is no chaos.control, by which `chaos run` makes"),
        ("type: action,", "type: action, controls: [{name: x, provider: {module: nix}}],", "module nix cannot be imp"),
        ("type: action,", "type: action, background: 1,", '"1" will not do: true or false is needed'),
        (
            "func: recording_is_live",
            "func: healthy",
            "8: steady-state-hypothesis: the first probe has to be recording_",
        ),
        ("func: healthy", "func: recording_is_live", "8: steady-state-hypothesis: there is no probe healthy of chaos."),
        ("runtime: {rollbacks: {strategy: always}}\n", "", "1: runtime: chaostoolkit skips rollbacks when it is"),
        ("name: cut the", "pauses: {before: true}, name: cut the", '"true" will not do: a number is needed'),
        ("description: No", 'description: "{{ .Values.what }}" #', "2: this is a template and not YAML"),
    ],
)
def test_a_slip_is_said_with_its_line(tmp_path, old, new, says):
    assert old in TEXT
    assert says in said_of(tmp_path, TEXT.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a\n- b\n", "1: an experiment is a mapping of keys to values, and this is a list"),
        ("", "1: an experiment is a mapping of keys to values, and this is an empty file"),
        (
            f"{LITMUS}---\nkind: Secret\n",
            "3: this is a ChaosEngine of LitmusChaos, a Kubernetes object, and not an experiment",
        ),
        ("title: !Ref mine\n", "1: the tag !Ref means nothing here; write the value itself"),
        ("system: {}\nclients: {}\n", "1: this is a scenario, and an experiment is needed here"),
        ("title: x\nmethod: !Ref {a: 1}\n", "2: the tag !Ref means nothing here"),
        (f"{TEXT}---\ntitle: x\n", "25: this is a second document, and a file has to be one; give it its own file"),
        ("hello\n", "1: an experiment is a mapping of keys to values, and this is text"),
        (TEXT[:METHOD] + "method: []\n" + TEXT[ROLLBACKS:], "13: method is empty: an"),
        (TEXT[:METHOD] + "method:\n" + TEXT[ROLLBACKS:], "13: method is empty: an"),
        (TEXT[:ROLLBACKS], "1: rollbacks is empty: write"),
        (TEXT[:ROLLBACKS] + "rollbacks: []\n", "rollbacks is empty: write `heal` of chaos"),
        (
            CHAOS_MESH,
            "3: this is a PodChaos of Chaos Mesh, a Kubernetes object, and not an experiment; docs/writing",
        ),
        (
            LITMUS,
            "3: this is a ChaosEngine of LitmusChaos, a Kubernetes object, and not an experiment; docs/writing",
        ),
        ("{{- if .Values.enabled }}\ntitle: x\n{{- end }}\n", "template and not YAML; render it first"),
    ],
)
def test_what_is_no_experiment_is_said_plainly(tmp_path, text, says):
    assert says in said_of(tmp_path, text)


def test_a_method_of_processes_alone_says_that_nothing_would_stamp_the_effect(tmp_path):
    before, after = TEXT[:METHOD], TEXT[ROLLBACKS:]
    method = "method:\n- {name: kill, type: action, provider: {type: process, path: pkill, arguments: redis-server}}\n"
    said = said_of(tmp_path, before + method + after)
    assert "method has no action of type python: a trial counts from the effect of its fault" in said
    assert ", ".join(FAULTS) in said


def test_a_fault_that_lasts_has_to_be_healed_by_a_rollback(tmp_path):
    rollbacks = "rollbacks:\n- {name: wait, type: probe, provider: {type: process, path: 'true'}}\n"
    said = said_of(tmp_path, TEXT[:ROLLBACKS] + rollbacks)
    assert "rollbacks do not heal, so that partition would last: add heal of chaos.experiment.actions" in said


@pytest.mark.parametrize("target", ["master", "replica", "redis-0", "rfr-redis-cluster-2", "redis0"])
def test_a_role_and_a_members_name_are_targets(tmp_path, target):
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.replace("target: master", f"target: {target}"))
    assert load(path).content["method"][0]["provider"]["arguments"]["target"] == target


@pytest.mark.parametrize(
    ("arguments", "needs"),
    [
        ("{target: 'node-of:master'}", {Ability.CUT, Ability.MACHINES}),
        ("{target: [master, sentinel-0], when: +odown}", {Ability.CUT}),
    ],
)
def test_a_machine_is_refused_where_all_members_are_on_one(tmp_path, arguments, needs):
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.replace("{target: master, longest_s: 120}", arguments))
    assert load(path).needs == needs


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("{when: odown}", '"odown" is no moment; write +odown, 2 s after +odown, promotion, 12 s after tick'),
        ("{shape: thirds}", 'partition takes one of isolate, halves, bridge as shape, and "thirds" is none'),
        ("{peers: [sentinls]}", 'there is no target "sentinls"'),
        ("{way: up}", 'partition takes one of both, in, out as way, and "up" is none'),
    ],
)
def test_the_words_of_a_fault_are_checked(tmp_path, arguments, says):
    assert says in said_of(tmp_path, TEXT.replace("{target: master, longest_s: 120}", arguments))


def test_the_words_of_another_tools_templates_and_of_chaostoolkits_variables_are_left_alone(tmp_path):
    path = tmp_path / "mine.yaml"
    probe = "- {name: see, type: probe, provider: {type: process, path: docker, arguments: 'ps --format {{.Names}}'}}\n"
    text = TEXT.replace("\nrollbacks:", f"\n{probe}rollbacks:").replace("longest_s: 120", 'longest_s: "${longest}"')
    path.write_text(text.replace("runtime:", "configuration: {longest: 120}\nruntime:", 1))
    assert load(path).content["method"][0]["provider"]["arguments"]["longest_s"] == "${longest}"


def test_a_file_may_mark_where_its_document_begins_and_ends(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"---\n{TEXT}---\n")
    assert load(path).expects == "failover"


@pytest.mark.parametrize(
    "arguments",
    ["{sleep_s: 0}", "{when: 5 s}", "{target: [master, sentinel-0]}", '{target: primary, when: "2 s after +odown"}'],
)
def test_a_number_that_is_0_by_default_may_be_0(tmp_path, arguments):
    path = tmp_path / "mine.yaml"
    method = "partition, arguments: {target: master, longest_s: 120}"
    path.write_text(TEXT.replace(method, f"delete, arguments: {arguments}"))
    assert load(path).needs


def test_json_is_read_too(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{\n\t"title": "x",\n\t"description": "y",\n\t"method": []\n}')
    with pytest.raises(ScenarioError, match=r"mine\.json:4: method is empty: "):
        load(path)


@pytest.mark.parametrize(
    ("scenario", "target", "says"),
    [
        ("sentinel", "redis-2", ""),
        ("sentinel", "sentinel-0", ""),
        ("sentinel", "operator", ""),
        ("sentinel", "redis-3", "15: there is no redis-3 in this system; it has redis-0, redis-1, redis-2, sentinel-0"),
        ("sentinel", "sentinel-9", "15: there is no sentinel-9 in this system"),
        ("sentinel", "node-of:redis-7", "15: there is no redis-7 in this system"),
        ("sentinel", "rfr-mine-9", "15: there is no rfr-mine-9 in this system"),
        ("sentinel", "proxies", "15: this system has no proxies"),
        ("haproxy", "proxies", ""),
        ("haproxy", "haproxy-0", ""),
        ("haproxy", "operator", "15: this system has no operator"),
    ],
)
def test_a_target_that_a_local_system_will_not_have_is_refused(tmp_path: Path, scenario: str, target: str, says: str):
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.replace("target: master", f'target: "{target}"'))
    loaded = placed(load_scenario(scenario), "local")
    if not says:
        assert fitting([load(path)], loaded, Options()) == ([load(path)], [])
        return
    with pytest.raises(ScenarioError) as error:
        fitting([load(path)], loaded, Options())
    assert f"{path}:{says}" in str(error.value)
    assert fitting([load(path)], loaded, Options(suite="slo")) == ([], [str(error.value)])
    if target not in ("operator", "proxies"):  # pods have names of their own
        assert fitting([load(path)], placed(load_scenario("haproxy"), "kind"), Options()) == ([load(path)], [])


def test_other_replicas_need_more_than_one_replica(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.replace("target: master", "target: other-replicas"))
    assert fitting([load(path)], load_scenario("sentinel"), Options())[1] == []
    with pytest.raises(ScenarioError, match=r"mine\.yaml:15: this system has no other-replicas"):
        fitting([load(path)], load_scenario("sentinel", {"system.replicas": "1"}), Options())


@pytest.mark.parametrize(("when", "fits"), [("60 s", True), ("within 60 s", True), ("61 s after +odown", False)])
def test_a_moment_after_the_limit_of_recovery_is_refused(tmp_path: Path, when: str, fits: bool):
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.replace("longest_s: 120", f"when: {when}"))
    if fits:
        assert fitting([load(path)], load_scenario("sentinel"), Options())[1] == []
    else:
        with pytest.raises(ScenarioError, match=r":15: this moment comes later than limits\.recovery, which is 60 s"):
            fitting([load(path)], load_scenario("sentinel"), Options())


def test_the_operators_tick_is_refused_where_there_is_no_operator(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.replace("longest_s: 120", "when: 2 s after tick"))
    with pytest.raises(ScenarioError, match=r"mine\.yaml:15: there is no tick without an operator"):
        fitting([load(path)], load_scenario("sentinel"), Options())
    assert fitting([load(path)], load_scenario("operator-model"), Options())[1] == []


def test_what_the_configuration_has_is_put_in(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(TEXT.replace("target: master", 'target: "${who}"') + "configuration: {who: master}\n")
    assert load(path).aims == {}
