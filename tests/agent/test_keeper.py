"""The keeper serves files, survives wrong requests, and ends with its input."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chaos import clock
from chaos.agent.keeper import handlers, trimmed
from chaos.pipe import answered
from chaos.record.layout import ROW
from tests.agent.helping import wait


def ask(directory, **request):
    return answer(directory, json.dumps(request).encode())


def answer(directory, line):
    return json.loads(asyncio.run(answered(handlers(directory), line)))


def test_a_control_file_appears_whole_and_leaves_no_draft(tmp_path):
    assert ask(tmp_path, id=1, do="put", path="control/start.json", data='{"deadline_s": 0.1}') == {
        "id": 1,
        "path": "control/start.json",
    }
    assert [file.name for file in (tmp_path / "control").iterdir()] == ["start.json"]
    assert (tmp_path / "control/start.json").read_text() == '{"deadline_s": 0.1}'


@pytest.mark.parametrize("path", ["../x", "control/../x", "control/", "ops/meters.rows", "/control/x", "control/.x"])
def test_nothing_but_control_files_can_be_put(tmp_path, path):
    assert "is no control file" in ask(tmp_path, id=1, do="put", path=path, data="")["error"]
    assert list(tmp_path.rglob("*")) == []


def test_the_clock_is_ours_here(tmp_path):
    told = ask(tmp_path, id=2, do="clock")

    assert told["boot_id"] == clock.identity()["boot_id"]
    assert 0 <= clock.mono_ns() - told["mono_ns"] < 10**9


@pytest.mark.parametrize(
    ("line", "number", "error"),
    [
        (b"garbage", None, "not JSON"),
        (b"[1]", None, "a request is a JSON object"),
        (b'{"id": 3, "do": "dance"}', 3, "'dance' is not one of pull, put, clock"),
        (b'{"id": 4}', 4, "'' is not one of pull, put, clock"),
        (b'{"id": 5, "do": "pull"}', 5, "pull needs 'have'"),
    ],
)
def test_a_wrong_request_is_answered_with_its_error(tmp_path, line, number, error):
    told = answer(tmp_path, line)

    assert told["id"] == number
    assert error in told["error"]


def test_only_whole_unused_rows_are_trimmed():
    used = bytes(ROW.size - 8) + b"\x02" + bytes(7)

    assert trimmed(used + bytes(3 * ROW.size)) == used
    assert trimmed(bytes(2 * ROW.size)) == b""
    assert trimmed(bytes(ROW.size) + used) == bytes(ROW.size) + used


def keeper(directory, *options):
    command = [sys.executable, "-m", "chaos.agent.keeper", str(directory), *options]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_the_process_answers_line_by_line_and_ends_at_the_end_of_its_input(tmp_path):
    (tmp_path / "agent.log").write_text("hello\n")
    with keeper(tmp_path) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b'{"id": 1, "do": "pull", "have": {}}\n')
        process.stdin.flush()
        first = json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(timeout=60) == 0

    assert first == {"id": 1, "files": {"agent.log": {"offset": 0, "data": "aGVsbG8K"}}, "more": False}


def test_an_idle_keeper_waits_for_sigterm(tmp_path):
    with keeper(tmp_path, "--idle") as process:
        wait(lambda: "sigtimedwait" in Path(f"/proc/{process.pid}/wchan").read_text())
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
