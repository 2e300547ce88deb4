"""Commands are files: each replacement is news once."""

import asyncio

import pytest

from chaos.agent.keeper import put
from chaos.agent.main import Command, Control
from chaos.agent.orders import MEMBERS, QUIT, START


def write(directory, path, data):
    put(directory, {"path": path, "data": data})


def test_a_command_is_news_once(tmp_path):
    control = Control(tmp_path)
    write(tmp_path, START, '{"deadline_s": 0.1}')

    assert control.new() == [Command(START, {"deadline_s": 0.1})]
    assert control.new() == []


def test_a_file_that_is_replaced_is_news_even_with_the_same_text(tmp_path):
    control = Control(tmp_path)
    write(tmp_path, START, "{}")
    control.new()
    write(tmp_path, START, "{}")

    assert control.new() == [Command(START, {})]


def test_commands_that_came_together_keep_the_order_of_a_trial(tmp_path):
    write(tmp_path, QUIT, "{}")
    write(tmp_path, START, "{}")
    write(tmp_path, MEMBERS, "[]")

    assert [command.file for command in Control(tmp_path).new()] == [MEMBERS, START, QUIT]


def test_a_file_that_is_no_json_is_an_error_and_not_ignored(tmp_path):
    write(tmp_path, START, "deadline")

    with pytest.raises(ValueError, match="Expecting value"):
        Control(tmp_path).new()


async def test_a_command_is_noticed_within_100_ms(tmp_path):
    commands = Control(tmp_path).commands()
    asyncio.get_running_loop().call_later(0.12, write, tmp_path, QUIT, "{}")

    async with asyncio.timeout(0.12 + 0.1 + 0.2):  # 0.2 s more for a busy machine
        assert await anext(commands) == Command(QUIT, {})
    await commands.aclose()
