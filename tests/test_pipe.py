"""Programs that speak lines: heard to the last one, told without blocking, asked by id, and seen to end."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chaos.errors import FaultError
from chaos.pipe import Child, Lines, Program, Questions, answered, packed
from chaos.until import until
from tests.cluster.local.systems import there


@pytest.fixture
async def play(tmp_path):
    """Starts a Python program, and gives it with the lines that it said and with those that were told of its end."""
    children: list[Child] = []

    def started(text: str, **more):
        heard: list[bytes] = []
        ended: list[Child] = []
        command = [sys.executable, "-c", text]
        child = Child(Program(command=command, directory=tmp_path, out=heard.append, **more), ended.append)
        children.append(child)
        return child, heard, ended

    yield started
    for child in children:
        await child.finish(0)


async def over(child: Child) -> None:
    async with asyncio.timeout(20):
        await child.over.wait()


async def test_it_is_heard_line_by_line_to_its_last_word(play, tmp_path):
    child, heard, ended = play("import os, sys; print(os.getcwd()); sys.stdout.write('last')")
    await over(child)
    assert heard == [f"{tmp_path}".encode(), b"last"]
    assert ended == [child]
    assert not child.lives
    assert (child.code, child.how) == (0, "exit code 0")


async def test_what_it_says_on_standard_error_is_kept_apart_unless_merged(play):
    errors: list[bytes] = []
    text = "import sys; print('out', flush=True); print('error', file=sys.stderr)"
    apart, heard, _ = play(text, error=errors.append)
    await over(apart)
    assert (heard, errors) == ([b"out"], [b"error"])
    merged, heard, _ = play(text, merged=True)
    await over(merged)
    assert heard == [b"out", b"error"]


@pytest.mark.parametrize("where", ["heard", "file"])
async def test_its_last_words_are_there_for_a_sentence(play, tmp_path, where):
    errors = tmp_path / "error.log" if where == "file" else [].append
    silent, _, _ = play("", error=errors)
    await over(silent)
    assert silent.said == "it said nothing"
    child, _, _ = play("import sys; [print(f'line {n}', file=sys.stderr) for n in range(5)]", error=errors)
    await over(child)
    assert child.said == "line 2 / line 3 / line 4"


async def test_it_is_told_by_lines_and_what_nobody_reads_any_more_is_lost(play):
    child, heard, _ = play("print(input())")
    child.tell(b"hello\n")
    await over(child)
    assert heard == [b"hello"]
    child.tell(b"is anybody there?\n")
    child.hang_up()
    child.send(signal.SIGKILL)


async def test_whoever_tells_more_than_a_pipe_holds_is_not_blocked_and_the_input_ends_after_it(play):
    child, heard, _ = play("import sys, time; time.sleep(0.3); print(len(sys.stdin.read()))")
    child.tell(b"x" * (1 << 20) + b"\n")
    child.hang_up()
    assert heard == []
    await over(child)
    assert heard == [b"%d" % ((1 << 20) + 1)]


async def test_its_end_by_a_signal_is_named(play):
    child, _, _ = play("import signal; signal.pause()")
    child.send(signal.SIGTERM)
    await over(child)
    assert child.how == "SIGTERM"


async def test_it_ends_with_its_input_or_else_is_killed(play):
    willing, _, _ = play("import sys; sys.stdin.read()")
    await willing.finish(20)
    assert willing.how == "exit code 0"
    unwilling, _, _ = play("import signal; signal.pause()")
    await unwilling.finish(0.1)
    assert unwilling.how == "SIGKILL"


async def test_what_it_has_forked_is_killed_with_it(play):
    child, heard, _ = play("import os, signal; os.fork(); os.write(1, b'%d\\n' % os.getpid()); signal.pause()")

    async def both() -> bool:
        return len(heard) == 2

    await until(both, within_s=60, because="both have said who they are", every_s=0.01)
    child.kill()
    await over(child)
    [forked] = {int(line) for line in heard} - {child.pid}

    async def gone() -> bool:
        return not there([forked])

    await until(gone, within_s=60, because="what it has forked is gone", every_s=0.01)


def open_files() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


async def test_a_program_that_is_not_there_is_an_error_and_leaves_nothing_open(tmp_path):
    before = open_files()
    with pytest.raises(FileNotFoundError):
        Child(Program(command=[tmp_path / "nothing"], error=tmp_path / "error.log"))
    assert open_files() == before


async def test_lines_are_given_in_order_up_to_the_programs_end():
    lines = Lines()
    Child(Program(command=[sys.executable, "-c", "print('one'); print('two')"], out=lines), lines.end)
    assert [line async for line in lines] == [b"one", b"two"]


async def test_an_answer_goes_to_whoever_asked_whatever_the_order():
    told: list[dict[str, int]] = []
    questions = Questions(lambda line: told.append(json.loads(line)))
    first, second = (asyncio.create_task(questions.ask({"do": do}, 10)) for do in ("one", "two"))
    await asyncio.sleep(0)
    for request in reversed(told):
        questions.take({"id": request["id"], "did": request["do"]})
    assert (await first, await second) == ({"did": "one"}, {"did": "two"})


async def test_an_answer_that_does_not_come_is_an_error_and_late_it_is_dropped():
    told: list[dict[str, int]] = []
    questions = Questions(lambda line: told.append(json.loads(line)))
    with pytest.raises(TimeoutError):
        await questions.ask({"do": "one"}, 0.01)
    questions.take({"id": told[0]["id"]})
    asked = asyncio.create_task(questions.ask({"do": "two"}, 10))
    await asyncio.sleep(0)
    questions.fail(FaultError("the other side is gone"))
    with pytest.raises(FaultError, match="the other side is gone"):
        await asked


async def _later(request):
    return {"twice": 2 * request["number"]}


def _refused(_):
    raise FaultError("there is no such member")


def _broken(_):
    raise OSError(28, "No space left on device")


DOES = {"later": _later, "now": lambda request: {"it": request["it"]}, "refused": _refused, "broken": _broken}


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ({"id": 7, "do": "later", "number": 4}, {"twice": 8, "id": 7}),
        ({"id": 7, "do": "now", "it": "here"}, {"it": "here", "id": 7}),
        ({"id": 7, "do": "now"}, {"error": "now needs 'it'", "id": 7}),
        ({"id": 7, "do": "refused"}, {"error": "there is no such member", "id": 7}),
        ({"id": 7, "do": "broken"}, {"error": "OSError: [Errno 28] No space left on device", "id": 7}),
        ({"do": "dance"}, {"error": "'dance' is not one of later, now, refused, broken", "id": None}),
        ([1], {"error": "a request is a JSON object", "id": None}),
    ],
)
async def test_a_request_is_answered_with_its_id_or_with_why_it_cannot_be_done(line, answer):
    assert json.loads(await answered(DOES, packed(line))) == answer


async def test_a_line_that_is_no_json_is_answered_too():
    assert "not JSON" in json.loads(await answered(DOES, b"garbage\n"))["error"]


def test_it_ships_into_pods_and_loads_the_standard_library_alone():
    text = "import sys, chaos.pipe; print({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, timeout=60)
    assert set(eval(done.stdout)) <= {"chaos", "__main__"} | {name for name in eval(done.stdout) if name[0] == "_"}
