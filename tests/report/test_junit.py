"""junit.xml: failures are the system's, errors are ours, and nothing is skipped."""

from dataclasses import replace
from xml.etree.ElementTree import fromstring

from chaos.analysis.result import Verdict
from chaos.report.junit import junit
from tests.report.results import campaign, path, trial, undecided


def cases(result):
    return {case.get("name"): case for case in fromstring(junit(result)).iter("testcase")}


def kind(case):
    return next((tag for tag in ("failure", "error", "skipped") if case.find(tag) is not None), "passed")


def test_a_case_for_each_experiment_path_and_gating_target():
    found = cases(campaign())
    assert {name: kind(case) for name, case in found.items()} == {
        "service/new recovery": "failure",
        "service/kept recovery": "failure",
        "sentinel/new recovery": "passed",
        "sentinel/kept recovery": "passed",
    }
    assert "51.99 ± 0.04 s" in found["service/new recovery"].find("failure").text


def test_an_undecided_trial_is_an_error_whatever_it_measured():
    found = cases(campaign(undecided()))
    assert kind(found["sentinel/new recovery"]) == "error"
    assert "fault unproved" in found["sentinel/new recovery"].find("error").text
    assert kind(found["service/new recovery"]) == "error"


def test_an_undecided_trial_outranks_the_passed_ones():
    passed = replace(trial(0, 9, 9.1), verdict=Verdict.PASS)
    doubted = replace(trial(1, 9, 9.1), verdict=Verdict.INCONCLUSIVE, because=("baseline unproved",))
    assert {kind(case) for case in cases(campaign(passed, doubted)).values()} == {"error"}


def test_a_verdict_that_no_target_tells_is_a_case_of_its_own():
    quiet = replace(trial(0, 9, 9.1), paths={"service/new": path("service/new", None, targets={})}, targets={})
    broken = replace(quiet, experiment="no-fault", because=("a window on service/new",))
    assert kind(cases(campaign(broken))["verdict"]) == "failure"


def test_a_campaign_without_trials_is_an_error():
    result = replace(campaign(), trials=(), groups=(), verdict=Verdict.INCONCLUSIVE)
    assert {kind(case) for case in cases(result).values()} == {"error"}


def test_a_trial_that_is_not_there_is_an_error():
    one = campaign(trial(0, 5, 5), manifest={"trials": 2, "experiments": ["kill-master"]})
    case = cases(one)["every trial"]
    assert kind(case) == "error"
    assert "1 of 2 trials was not played" in case[0].get("message")


def test_counts_are_those_of_the_cases():
    [suite] = fromstring(junit(campaign())).iter("testsuite")
    assert [suite.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "2", "0", "0"]


def test_characters_that_xml_cannot_hold_do_not_break_the_file():
    one = trial(0, 51.9, 51.99, verdict=Verdict.INCONCLUSIVE, because=("log: \x1b[31mred\x00",))
    assert "red" in cases(campaign(one))["service/new recovery"].find("error").text


def test_a_message_of_a_modelled_system_says_so_first():
    found = cases(replace(campaign(), cluster="local"))
    assert found["service/new recovery"].find("failure").get("message").startswith("MODELLED (no Kubernetes, no op")
