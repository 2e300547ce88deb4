"""The terminal: live lines, the closing block, and what is left of both when quiet or not a terminal."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from chaos.progress import Message, Tell
from chaos.report.closing import WIDTH
from chaos.report.terminal import Board, Terminal, far
from tests.report.results import campaign

LIVE = [
    Message(Tell.STEP, {"name": "cluster", "text": "failover-7f3a 4 nodes ready", "seconds": 37.1}),
    Message(Tell.NOTE, {"text": "the address given to clients never worked"}),
    Message(Tell.TRIAL, {"experiment": "kill-master", "number": 1, "of": 3, "seed": 4711}),
    Message(Tell.EFFECT, {"t0": "2026-11-23T09:14:31.482Z", "text": "rfr-redis-cluster-0 [10.244.2.3]: SIGKILL"}),
    Message(Tell.SEEN, {"at_s": 5.47, "name": "detection", "text": "+sdown by sentinel bj7p4"}),
    Message(Tell.CLOSED, {"directory": "reports/x/trial-000"}),
]


def waiting(seconds: float) -> Message:
    return Message(Tell.WAITING, {"name": "deploy", "text": "rfr-redis-cluster-2 to be ready", "seconds": seconds})


def told(*messages: Message, quiet: bool = False) -> str:
    file = io.StringIO()
    terminal = Terminal(quiet=quiet, file=file)
    for message in messages:
        terminal.tell(message)
    return file.getvalue()


def closed(result, *, quiet: bool = False) -> str:
    file = io.StringIO()
    Terminal(quiet=quiet, file=file).closing(result, Path("reports/x/report.html"))
    return file.getvalue()


def test_every_message_is_a_line_and_without_a_terminal_there_are_no_escapes():
    text = told(*LIVE)
    assert "\x1b" not in text
    assert "failover-7f3a 4 nodes ready" in text
    assert "rfr-redis-cluster-0 [10.244.2.3]: SIGKILL" in text
    assert "   5.47  detection" in text


def test_long_words_stay_in_their_column():
    paths = " · ".join(f"service/new-{number} 1899 of 1899" for number in range(8))
    lines = told(
        Message(Tell.STEP, {"name": "baseline", "text": paths, "seconds": 12.5}),
        Message(Tell.NOTE, {"text": "not healthy after the method: " + "; ".join(["a pod is not Ready"] * 20)}),
    ).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert [line[:12].strip() for line in lines if line[:12].strip()] == ["baseline", "note"]
    assert [line.endswith("12.5 s") for line in lines].count(True) == 1


def test_waiting_says_what_for_and_how_long_and_does_not_flood_a_log():
    lines = told(*(waiting(second) for second in range(0, 65))).splitlines()
    assert [line.split()[2] for line in lines] == ["0", "30", "60"]
    assert all("rfr-redis-cluster-2 to be ready" in line for line in lines)


def test_what_was_waited_for_is_not_said_again_because_something_was_seen_meanwhile():
    text = told(waiting(1.0), LIVE[0], waiting(2.0), LIVE[0], waiting(31.0))
    assert text.count("waiting") == 2


def opening(on: str, why: str = "", at_once: int = 1) -> list[str]:
    data = {"version": "1", "scenario": "ours", "on": on, "why": why, "trials": 3, "at_once": at_once}
    data |= {"experiments": ["kill-master"], "seed": 7, "directory": "reports/x"}
    return told(Message(Tell.CAMPAIGN, data)).splitlines()


def test_a_campaign_opens_with_what_is_played_and_where_its_report_will_be():
    first, second = opening(on="kind")
    assert first == "failover 1 · scenario ours · on kind · seed 7"
    assert second == "3 × kill-master; 2 to 5 minutes each, then reports/x/report.html"


def test_what_was_chosen_instead_of_kind_is_said_first_and_last():
    first, second = opening(on="local", why="kind is not installed", at_once=4)
    assert first == "failover 1 · scenario ours · on local, not on kind (kind is not installed) · seed 7"
    assert second == "3 × kill-master, 4 at once, then reports/x/report.html"
    chosen = replace(campaign(), cluster="local", cluster_why="kind is not installed")
    assert closed(chosen, quiet=True).splitlines()[-1].strip() == "on local, not on kind (kind is not installed)"


def test_side_by_side_the_line_that_says_how_far_is_redrawn_and_trials_are_lines_above_it():
    file = io.StringIO()
    terminal = Terminal(file=file)
    terminal.console = Console(file=file, force_terminal=True, width=120, highlight=False)
    progress = {"of": 2, "under_way": 2, "seconds": 3.0}
    for message in (
        Message(Tell.TRIAL, {"experiment": "kill-master", "number": 1, "of": 2, "seed": 7}, 0),
        Message(Tell.PROGRESS, progress | {"done": 0}),
        Message(Tell.CLOSED, {"directory": "x"}, 0),
        Message(Tell.PROGRESS, progress | {"done": 1}),
    ):
        terminal.tell(message)
    before, _, after = file.getvalue().partition("\x1b[2K")
    assert before.strip() == "0 of 2 done, 2 under way, 00:03"
    assert after.splitlines()[0].split()[:3] == ["0", "kill-master", "1/2"]
    assert after.splitlines()[-1].strip().startswith("1 of 2 done")


def test_on_a_terminal_waiting_is_redrawn_and_leaves_no_line():
    file = io.StringIO()
    terminal = Terminal(file=file)
    terminal.console = Console(file=file, force_terminal=True, width=120, highlight=False)
    for message in (waiting(1.0), waiting(2.0), LIVE[0]):
        terminal.tell(message)
    last = file.getvalue().rpartition("\x1b[2K")[2]
    assert file.getvalue().count("waiting") == 2
    assert file.getvalue().count("\x1b[2K") == 2
    assert "waiting" not in last
    assert "4 nodes ready" in last


def test_quiet_leaves_failures_and_the_verdict():
    assert told(*LIVE, waiting(40.0), quiet=True) == ""
    failed = Message(Tell.FAILED, {"error": "SetupError", "text": "no container engine", "exit_code": 3})
    assert told(failed, quiet=True) == "error: no container engine\n"
    text = closed(campaign(), quiet=True)
    assert text.split()[0] == "FAIL"
    assert "detection" not in text


def said(trial: int, tell: Tell, **data: object) -> Message:
    return Message(tell, data, trial)


def opened(trial: int) -> Message:
    return said(trial, Tell.TRIAL, experiment="kill-master", number=trial + 1, of=299, seed=7)


def lines(*messages: Message) -> list[str]:
    board = Board()
    return [line for message in messages for line in board.take(message)]


def test_a_trial_is_one_line_when_it_is_over_whatever_others_say_meanwhile():
    told = lines(
        *(opened(12), opened(13)),
        said(12, Tell.STEP, name="healthy", text="one master", seconds=1.0),
        said(12, Tell.EFFECT, t0="2026-11-23T09:14:31.482Z", text="SIGKILL"),
        said(13, Tell.WAITING, name="healthy", text="a master", seconds=1.0),
        said(12, Tell.SEEN, at_s=0.01, name="first failed operation", text="refused"),
        said(12, Tell.SEEN, at_s=6.5, name="recovered, sentinel/new", text=""),
        said(12, Tell.SEEN, at_s=52.04, name="recovered, service/new", text=""),
        said(12, Tell.CLOSED, directory="reports/x/trial-012"),
    )
    [line] = told
    assert line.split() == [
        *("12", "kill-master", "13/299", "T0", "2026-11-23T09:14:31.482Z"),
        *("last", "back:", "service/new", "after", "52.0", "s"),
    ]


@pytest.mark.parametrize(
    ("seen", "end"),
    [
        ([], "no fault took effect"),
        ([(Tell.EFFECT, {"t0": "09:14", "text": ""})], "no outage seen"),
        (
            [
                (Tell.EFFECT, {"t0": "09:14", "text": ""}),
                (Tell.SEEN, {"at_s": 0.1, "name": "first failed operation", "text": ""}),
            ],
            "not seen to be back",
        ),
    ],
)
def test_what_was_not_seen_is_not_said_to_have_been(seen: list[tuple[Tell, dict[str, object]]], end: str):
    [line] = lines(opened(0), *(Message(tell, data, 0) for tell, data in seen), said(0, Tell.CLOSED, directory="x"))
    assert line.endswith(end)


def test_a_note_that_every_trial_has_in_its_own_figures_is_said_once_and_by_which():
    told = lines(*(said(trial, Tell.NOTE, text=f"8{trial}% of its operations were good") for trial in range(3)))
    assert told == ["  note       trial 0: 80% of its operations were good"]


def test_how_far_it_is_has_hours_only_where_there_are_some():
    assert far({"done": 12, "of": 299, "under_way": 8, "seconds": 31.4}) == "12 of 299 done, 8 under way, 00:31"
    assert far({"done": 298, "of": 299, "under_way": 1, "seconds": 3725}).endswith("1:02:05")
