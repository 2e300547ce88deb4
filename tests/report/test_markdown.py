"""summary.md."""

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
