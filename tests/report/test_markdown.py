"""summary.md."""

from chaos.analysis.interval import Interval
from chaos.analysis.statistics import groups
from chaos.report.markdown import markdown, table
from tests.report.results import campaign, path, trial


def test_the_first_five_lines_are_enough():
    lines = markdown(campaign()).splitlines()
    assert lines[0].startswith("**FAIL** 3 of 3 kill-master trials")
    assert [line.split()[0] for line in lines[:5]] == ["**FAIL**", "**Why**", "**Do**", "**Expect**", "**Measured**"]
    assert lines[5] == ""


def test_one_trial_is_one():
    assert "**Measured** 1 trial on kind" in markdown(campaign(trial(0, 51.9, 51.99)))


def test_an_experiment_that_could_not_be_played_there_is_in_the_fifth_line():
    text = markdown(campaign(manifest={"left_out": ["partition-master needs cut"]}))
    assert text.splitlines()[4].endswith(". Left out: partition-master needs cut")


def test_an_application_has_no_outage_but_what_its_calls_met():
    met = "readonly, on the connection that it opened at 42.9 s"
    app = path("app/kept", None, application=True, longest_blocked_s=10.0, never_again=met)
    text = markdown(campaign(trial(0, 51.9, 51.99, paths={app.name: app})))
    assert f"| app/kept | works | longest blocked call 10.00 s, never a good one again: {met} |" in text


def test_a_summary_of_many_trials_stays_under_64_kb_and_says_what_is_left_out():
    text = markdown(campaign(*(trial(number, 51.9, 51.99) for number in range(120))))
    assert len(text.encode()) < 65_536
    assert "more sections are left out: summary.json" in text


def test_text_of_the_system_can_break_neither_table_nor_page():
    assert table(["a"], [["x|y <b>\nz"]])[-1] == "| x\\|y &lt;b> z |"


def test_figures_over_trials_say_what_they_are_worth():
    """61 trials, 5.00 to 8.00 s in steps of 0.05."""
    trials = [trial(n, 5, 5, paths={"service/new": path("service/new", 5.01 + n / 20)}) for n in range(61)]
    of_60, of_58 = (markdown(campaign(groups=groups(these))) for these in (trials, trials[:58]))
    assert "### Over 61 trials of kill-master" in of_60
    assert "| service/new outage | 61 | 5.00 | 6.50 (6.10 to 6.90) | 7.85, at most 8.00 | 8.00 |" in of_60
    assert "| service/new outage | 58 | 5.00 | 6.43 (6.05 to 6.80) | needs n ≥ 59 | 7.85 |" in of_58


def test_what_was_not_over_is_no_value():
    never = path("service/new", 90.0, outage_s=Interval(90.0))
    trials = [trial(n, 5, 5, paths={"service/new": path("service/new", 5.01)}) for n in range(2)]
    text = markdown(campaign(groups=groups([*trials, trial(2, 5, 5, paths={never.name: never})])))
    assert "| service/new outage | 2 of 3 | 5.00 | 5.00 (? to ?) | needs n ≥ 59 | not over |" in text
