"""The end of a campaign on the terminal: each trial of a few, and of many the groups and the worst one."""

import io
from dataclasses import replace
from pathlib import Path

from chaos.analysis.interval import Interval
from chaos.analysis.result import Milestone, State, TargetResult, Verdict
from chaos.report.closing import WIDTH
from chaos.report.terminal import Terminal
from tests.report.results import campaign, milestones, never, path, target, trial


def closed(result) -> str:
    file = io.StringIO()
    Terminal(file=file).closing(result, Path("reports/x/report.html"))
    return file.getvalue()


def test_the_closing_block_is_in_the_order_of_time_and_ends_with_the_path():
    text = closed(campaign(trial(0, 51.9, 51.99)))
    places = [text.index(word) for word in ("effect", "detection", "recovered, sentinel/new", "endpoint")]
    assert places == sorted(places)
    assert "late 36.99 (gates)" in text
    assert "lost 0 of 2 114 acknowledged" in text
    assert text.splitlines()[-1].strip() == "reports/x/report.html"


def test_a_gate_that_counts_is_told_too():
    counted = TargetResult(limit=0, measured=Interval.at(1), verdict="fail", gate=True)
    text = closed(campaign(trial(0, 51.9, 51.99, targets={"failovers": counted})))
    [line] = [line for line in text.splitlines() if "failovers" in line]
    assert line.split() == ["failovers", "1", "target", "0", "✗", "not", "as", "expected", "(gates)"]
    [other] = [line for line in text.splitlines() if "recovered, service/new" in line]
    assert line.index("target") == other.index("target")


def test_a_text_that_no_line_has_room_for_is_parted_between_words():
    met = "readonly, on the connection that it opened " + "long ago, " * 12 + "at 42.9 s"
    app = path("app/kept", None, application=True, longest_blocked_s=10.0, never_again=met)
    text = closed(campaign(trial(0, 51.9, 51.99, paths={app.name: app})))
    outages = text[text.index("  outage   ") :].partition("FAIL")[0]
    assert f"never a good one again: {met} ·" in " ".join(outages.split())
    assert max(map(len, outages.splitlines())) <= WIDTH


def test_what_never_came_is_told_by_its_limit():
    known = milestones(51.9) | {"pointer": Milestone(state=State.NOT_YET, limit_s=180.0)}
    stuck = path("service/new", 180.0, recovered_s=Interval(180.0), outage_s=Interval(180.0))
    text = closed(campaign(replace(trial(0, 51.9, 51.99), milestones=known, paths={stuck.name: stuck})))
    assert "not recovered, service/new" in text
    assert "> 180.00 s" in text


def test_many_trials_are_told_by_their_groups_and_the_worst_in_full():
    trials = [replace(trial(n, 9.0, 9.1 + n / 100), verdict=Verdict.PASS) for n in range(298)]
    result = campaign(*trials, trial(298, 51.9, 51.99))
    [group] = result.groups
    groups = (replace(group, passed=298, failed=1, strength="298 of 299 supports x"),)
    lines = closed(replace(result, groups=groups)).splitlines()

    assert len(lines) < 60
    assert "  ✓ 298 pass  ✗ 1 fail   298 of 299 supports x" in lines
    assert any(line.split()[:2] == ["back,", "service/new"] and "half by 10.5" in line for line in lines)
    assert "the worst of 299, trial 298:" in lines
    assert sum("T0 2026" in line for line in lines) == 1


def test_a_few_are_told_one_by_one():
    assert sum("T0 2026" in line for line in closed(campaign()).splitlines()) == 3


def test_a_path_that_was_back_in_time_and_missed_another_promise_is_told():
    """Otherwise every line of a failed trial would say that it passed."""
    again = path("service/new", 6.5)
    late = target(15, 20, gate=True)
    again = replace(again, targets={"recovery": target(15, 6.5, gate=True), "downtime": late})
    text = closed(campaign(trial(0, 51.9, 51.99, paths={again.name: again})))
    [line] = [line for line in text.splitlines() if "downtime, service/new" in line]
    assert "20.00 ± 0.04 s" in line
    assert "late 5.00 (gates)" in line


def test_an_address_that_never_worked_is_told_once():
    both = {name: never(name) for name in ("given/new", "given/kept")}
    text = closed(campaign(trial(0, 51.9, 51.99, paths=both)))
    assert "given/new and given/kept never worked: " in text
    assert text.count("never worked:") == 1
