"""Trials side by side: a line each when it is over, and no line of one between those of another."""

import pytest

from chaos.progress import Message, Tell
from chaos.report.board import Board, far


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
