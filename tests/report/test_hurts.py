"""The first table of a campaign of several experiments: its order, its figures, and what would have kept it."""

from dataclasses import replace

from chaos.analysis.interval import Interval
from chaos.analysis.result import CampaignResult, Doubt, Losses, TrialResult, Verdict
from chaos.analysis.statistics import groups
from chaos.report.closing import fault_lines
from chaos.report.hurts import NONE, UNKNOWN, HurtTable, hurts
from chaos.report.markdown import markdown
from tests.report.results import campaign, path, trial, window


def several(*trials: TrialResult) -> CampaignResult:
    return replace(campaign(*trials), groups=groups(list(trials)))


def table(*trials: TrialResult) -> HurtTable:
    found = hurts(several(*trials))
    assert found is not None
    return found


LATE = trial(0, 51.9, 51.99, stands_for="A machine is lost.")
SHORT = trial(1, 6.4, 6.5, experiment="failover-by-sentinel", verdict=Verdict.PASS)


def losing(number: int, before: float) -> TrialResult:
    lost = Losses(acknowledged=900, before=Interval.at(before), tail=Interval.at(2), after=Interval.at(0), recovered=0)
    return trial(number, 6.4, 6.5, experiment="delete-all-redis", losses=lost)


def never_back(number: int) -> TrialResult:
    out = path(
        "service/new",
        60.0,
        outage_s=Interval(60.0),
        windows=(window(60.0, end_s=None, censored="limit", length_s=Interval(60.0)),),
    )
    return trial(number, 51.9, 51.99, experiment="partition-master", paths={"service/new": out})


def test_one_experiment_alone_has_nothing_to_be_compared_with():
    assert hurts(several(LATE, trial(1, 50.0, 50.1))) is None


def test_what_hurts_most_comes_first():
    rows = table(SHORT, LATE, losing(2, before=7), never_back(3)).rows

    assert [row.name for row in rows] == ["delete-all-redis", "partition-master", "kill-master", "failover-by-sentinel"]
    assert rows[0].lost == ("7", "2", "0")
    assert rows[2].stands_for == "A machine is lost."


def test_of_a_trial_that_proves_nothing_it_is_said_first_why():
    void = replace(
        trial(2, 8.0, 8.1), verdict=Verdict.INCONCLUSIVE, because=("there was no audit",), cause="It was slow."
    )
    rows = {row.name: row.cause for row in table(SHORT, replace(void, experiment="delete-master"), LATE).rows}

    assert rows["delete-master"] == "Trial 2 proves nothing: there was no audit. It was slow."
    assert rows["kill-master"] == LATE.cause


CUT_OFF = Doubt(name="cut off", text="the trial was cut off in step 5, watch", voids=True)


def cut_off(number: int, experiment: str, back_s: float = 90.0) -> TrialResult:
    """A trial that nobody closed, of which there is a path that no other trial has."""
    paths = {name: path(name, back_s) for name in ("app/kept", "service/new")}
    void = {"verdict": Verdict.INCONCLUSIVE, "because": (CUT_OFF.text,), "doubts": (CUT_OFF,)}
    return trial(number, 51.9, 51.99, experiment=experiment, paths=paths, **void)


def test_of_a_fault_whose_every_trial_was_cut_off_nothing_is_drawn_and_nothing_told():
    rows = {row.name: row for row in table(LATE, cut_off(1, "delete-master")).rows}

    row = rows["delete-master"]
    assert (row.outages, row.bar, row.longest) == ((), None, UNKNOWN)
    assert row.cause.startswith("Trial 1 proves nothing: the trial was cut off in step 5")
    result = several(LATE, cut_off(1, "delete-master"))
    assert "delete-master" in markdown(result)
    assert any(f"{UNKNOWN} " in text for line in fault_lines(result) for text, _ in line if "delete-master" in text)


def test_a_trial_that_was_cut_off_is_not_the_one_that_is_drawn():
    kept = replace(LATE, number=1, verdict=Verdict.PASS)
    rows = {row.name: row for row in table(cut_off(0, "kill-master"), kept, replace(SHORT, number=2)).rows}

    row = rows["kill-master"]
    assert row.bar is not None
    assert (row.bar.trial, row.worst) == (1, 0)
    assert row.longest == f"service/kept {dict(row.outages)['service/kept']}"
    assert "app/kept" not in dict(row.outages)


def test_what_was_not_back_is_said_as_longer_than_it_was_watched():
    [row, *_] = table(SHORT, never_back(3)).rows

    assert dict(row.outages)["service/new"].replace("\N{NO-BREAK SPACE}", " ") == "> 60.00 s"
    assert row.bar is not None
    assert row.bar.open_end


def test_a_path_without_an_outage_says_so():
    calm = trial(4, 6.4, 6.5, experiment="no-fault", paths={"service/new": path("service/new", None)})
    row = next(row for row in table(LATE, calm).rows if row.name == "no-fault")

    assert (dict(row.outages), row.bar, row.longest) == ({"service/new": NONE}, None, NONE)


def test_several_trials_of_a_fault_are_one_row_with_their_spread():
    [row, _] = table(LATE, trial(2, 53.0, 53.1), trial(3, 50.0, 50.1), SHORT).rows

    assert row.n == 3
    assert "n\N{NO-BREAK SPACE}3" in dict(row.outages)["service/new"]
    assert row.mark.text == "fail in 3 of 3"


def test_a_row_of_one_trial_is_called_an_anecdote_and_rows_of_several_are_not():
    assert "is an anecdote" in table(LATE, SHORT).anecdote
    assert table(LATE, trial(2, 53.0, 53.1), SHORT, replace(SHORT, number=3)).anecdote == ""


def test_the_path_that_would_have_kept_the_promise_is_named():
    kept = table(LATE, SHORT).kept

    assert "sentinel/new was back in time in 2 of 2 trials." in kept
    assert "service/new was back in time in 1 of 2 trials; it missed the promise in kill-master." in kept
    assert any("an address that follows the promotion at once" in one and "service/new" in one for one in kept)


def test_where_nothing_was_missed_no_setting_is_advised():
    other = replace(SHORT, number=2, experiment="delete-master")
    assert not any("Reckoned" in one or "No setting" in one for one in table(SHORT, other).kept)


def test_summary_md_and_the_terminal_have_the_same_rows():
    result = several(LATE, SHORT)
    text = markdown(result)
    lines = ["".join(part for part, _ in line) for line in fault_lines(result)]

    assert "## For which failures does the promise hold?" in text
    assert text.index("| kill-master") < text.index("| failover-by-sentinel")
    assert [line.split()[2] for line in lines if line[:1] in "✗✓?" and line] == ["kill-master", "failover-by-sentinel"]
    assert any("anecdote" in line for line in lines)
