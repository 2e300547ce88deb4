"""The table of claims."""

from dataclasses import replace

from chaos.analysis.interval import Interval
from chaos.analysis.result import TargetResult
from chaos.analysis.wording import breakable
from chaos.report.claims import claims, slug, spread
from tests.report.results import NEVER, campaign, never, path, target, trial


def by_title(result):
    return {claim.title: claim for claim in claims(result, result.groups[0])}


def test_the_system_is_asked_first_and_then_each_path():
    titles = list(by_title(campaign()))
    assert titles[:3] == ["detection", "quorum", "failover start"]
    assert titles.index("lost writes after the fault") < titles.index("recovery, service/new")


def test_several_trials_are_told_by_least_median_and_most_with_error_and_n():
    assert breakable(by_title(campaign())["recovery, service/new"].measured) == "50.90 · 51.99 · 53.10 s ± 0.04, n 3"


def test_one_trial_is_told_by_its_span():
    claim = by_title(campaign(trial(0, 51.9, 51.99)))["recovery, service/new"]
    assert breakable(claim.measured) == "51.99 ± 0.04 s"
    assert breakable(claim.mark.text) == "late 36.99"
    assert claim.gate


def test_one_late_trial_of_three_is_a_failure_that_says_how_many():
    mark = by_title(campaign(trial(0, 9, 9.1), trial(1, 10, 10.1), trial(2, 53, 53.1)))["recovery, service/new"].mark
    assert (mark.tone, mark.text) == ("bad", "late in 1 of 3")


def test_an_undecided_trial_is_not_hidden_by_those_that_passed():
    one = trial(0, 9, 9.1)
    late = one.paths["service/new"]
    undecided = late.targets | {"recovery": replace(late.targets["recovery"], verdict="undecided")}
    doubted = replace(one, paths=one.paths | {late.name: replace(late, targets=undecided)})
    mark = by_title(campaign(doubted, trial(1, 9, 9.1)))["recovery, service/new"].mark
    assert mark.tone == "open"
    assert mark.text == "undecided in 1 of 2: the limit lies within the error of the measurement"


def test_an_address_that_never_worked_has_one_row_in_place_of_two_a_way():
    one = trial(0, 51.9, 51.99)
    both = campaign(replace(one, paths=one.paths | {"given/kept": never("given/kept")}))
    rows = {title: claim for title, claim in by_title(both).items() if "given" in title}
    [(title, claim)] = rows.items()
    assert title == "works, given/new and given/kept"
    assert (claim.promised, claim.mark.text) == ("works", "never worked")
    assert claim.measured == f"{NEVER} (the address that clients were given)"
    assert claim.evidence == [("trial-0-given-new-and-given-kept", "0")]


def test_an_address_that_worked_in_another_trial_keeps_the_claims_of_that_one():
    one, other = trial(0, 51.9, 51.99), trial(1, 51.9, 51.99)
    worked = replace(other, paths=other.paths | {"given/new": path("given/new", 6.5)})
    rows = by_title(campaign(one, worked))
    assert [each.trial.number for each in rows["works, given/new"].held] == [0]
    assert [each.trial.number for each in rows["recovery, given/new"].held] == [1]


def test_what_was_not_over_counts_as_longest():
    assert (
        breakable(spread([Interval(90.0), Interval(5.0, 5.02), Interval(6.0, 6.02)]))
        == "5.01 · 6.01 · > 90.00 s ± 0.01, n 3"
    )
    assert breakable(spread([Interval(90.0), Interval(91.0), Interval(6.0, 6.02)])).startswith(
        "6.01 · > 90.00 · > 91.00 s"
    )


def test_what_is_counted_is_told_once_where_all_trials_have_the_same():
    none, one = (TargetResult(limit=0, measured=Interval.at(n), verdict="pass", gate=True) for n in (0, 1))
    for counted, told in (((none,), "0"), ((none, none), "0 in each of 2"), ((none, one), "0, 1")):
        trials = [trial(n, 51.9, 51.99, targets={"failovers": each}) for n, each in enumerate(counted)]
        claim = by_title(campaign(*trials))["failovers"]
        assert (claim.measured, claim.source, claim.evidence[0][0]) == (told, "sentinel", "trial-0-failovers")


def test_evidence_leads_to_the_milestone_of_each_trial():
    assert by_title(campaign())["detection"].evidence[0] == ("trial-0-sdown", "0")
    assert by_title(campaign())["recovery, service/new"].evidence[1] == ("trial-1-service-new", "1")
    assert slug("app (redis-py 8.1.0)/kept") == "app-redis-py-8-1-0-kept"


def test_a_floor_is_named_where_the_settings_forbid_the_promise():
    assert "5.1" in by_title(campaign())["detection"].floor
    assert target(5, 5.5).floor is None
