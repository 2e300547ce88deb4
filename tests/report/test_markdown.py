"""summary.md."""

from chaos.report.markdown import markdown, table
from tests.report.results import campaign, trial


def test_the_first_five_lines_are_enough():
    lines = markdown(campaign()).splitlines()
    assert lines[0].startswith("**FAIL** 3 of 3 kill-master trials")
    assert [line.split()[0] for line in lines[:5]] == ["**FAIL**", "**Why**", "**Do**", "**Expect**", "**Measured**"]
    assert lines[5] == ""


def test_a_summary_of_many_trials_stays_under_64_kb_and_says_what_is_left_out():
    text = markdown(campaign(*(trial(number, 51.9, 51.99) for number in range(120))))
    assert len(text.encode()) < 65_536
    assert "more sections are left out: summary.json" in text


def test_text_of_the_system_can_break_neither_table_nor_page():
    assert table(["a"], [["x|y <b>\nz"]])[-1] == "| x\\|y &lt;b> z |"
