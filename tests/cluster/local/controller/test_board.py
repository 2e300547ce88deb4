"""The pods as the controller sees them, and what it says."""

import io
import json
import re
from dataclasses import asdict

import pytest

from chaos.analysis.logs import parse
from chaos.cluster.local.controller.board import Board, Label, Pod
from chaos.operators.spotahome import LABEL_LINE
from tests.cluster.local.controller.world import redis


@pytest.fixture
def board() -> Board:
    board = Board(io.StringIO(), io.StringIO())
    show(board, redis(1), redis(0, role="master"))
    return board


def show(board: Board, *pods: Pod) -> None:
    board.shown(json.dumps({"pods": [asdict(pod) for pod in pods]}).encode())


def roles(board: Board) -> list[str | None]:
    return [pod.role for pod in board.pods]


def test_pods_are_in_the_order_of_their_names(board):
    assert [pod.name for pod in board.pods] == ["r-0", "r-1"]


def test_a_label_holds_at_once_and_against_a_line_that_was_written_before_it(board):
    board.label(Label("r-1", "master"))
    assert roles(board) == ["master", "master"]
    show(board, redis(0, role="master"), redis(1, role="slave"))
    assert roles(board) == ["master", "master"]


def test_once_the_api_server_has_said_so_it_is_believed(board):
    board.label(Label("r-1", "master"))
    show(board, redis(0), redis(1, role="master"))
    show(board, redis(0), redis(1, role="slave"))
    assert roles(board) == ["slave", "slave"]


@pytest.mark.parametrize("other", [{"ip": "10.0.0.9"}, {"phase": "Pending"}, {"deleting": True}])
def test_a_label_does_not_pass_to_another_pod_of_the_name(board, other):
    board.label(Label("r-1", "master"))
    show(board, redis(0), redis(1, **other))
    show(board, redis(0), redis(1))
    assert roles(board) == ["slave", "slave"]


def test_a_label_of_a_pod_that_is_gone_does_no_harm(board):
    board.label(Label("r-7", "master"))
    assert roles(board) == ["master", "slave"]


def test_it_says_and_logs_as_the_analysis_reads_it():
    out, log = io.StringIO(), io.StringIO()
    Board(out, log).label(Label("r-1", "master"))
    line = parse(log.getvalue().rstrip(), "controller")

    assert json.loads(out.getvalue()) == {"label": {"pod": "r-1", "role": "master"}}
    assert line is not None
    assert re.match(rf'level=info msg="{LABEL_LINE}, .*pod name: r-1, labels: map\[role:master\]"', line.message)
