"""The closing block: each trial of a few, and of many the groups and the worst one."""

import io
from dataclasses import replace
from pathlib import Path

from chaos.analysis.result import Verdict
from chaos.report.terminal import Terminal
from tests.report.results import campaign, trial


def closed(result) -> list[str]:
    file = io.StringIO()
    Terminal(file=file).closing(result, Path("reports/x/report.html"))
    return file.getvalue().splitlines()


def test_many_trials_are_told_by_their_groups_and_the_worst_in_full():
    trials = [replace(trial(n, 9.0, 9.1 + n / 100), verdict=Verdict.PASS) for n in range(298)]
    result = campaign(*trials, trial(298, 51.9, 51.99))
    [group] = result.groups
    lines = closed(replace(result, groups=(replace(group, passed=298, failed=1, strength="298 of 299 supports x"),)))

    assert len(lines) < 60
    assert "  ✓ 298 pass  ✗ 1 fail   298 of 299 supports x" in lines
    assert any(line.split()[:2] == ["back,", "service/new"] and "half by 10.5" in line for line in lines)
    assert "the worst of 299, trial 298:" in lines
    assert sum("T0 2026" in line for line in lines) == 1


def test_a_few_are_told_one_by_one():
    assert sum("T0 2026" in line for line in closed(campaign())) == 3
