"""Every command that README.md shows can be typed after its first line: its program, options and files exist."""

import ast
import re
import shlex
from pathlib import Path

import click
import pytest

from chaos.cli import cli

ROOT = Path(__file__).parent.parent
PROGRAMS = ("failover", "pytest", "chaos", "nox", "cp", "pip", "python3")


def shown(page: str) -> list[list[str]]:
    """The words of each command in the page's blocks and in its code: `a && b` are two."""
    blocks = "\n".join(re.findall(r"```bash\n(.*?)```", page, re.DOTALL)).splitlines()
    inline = re.findall(r"`([^`\n]+ [^`\n]+|nox)`", re.sub(r"```.*?```", "", page, flags=re.DOTALL))
    commands = [shlex.split(one) for line in [*blocks, *inline] for one in line.split(" && ")]
    return [words for words in commands if words and words[0] in PROGRAMS]


def wrong(words: list[str], sessions: set[str]) -> str:
    """What is wrong with a command; empty where it can be typed."""
    program, *arguments = words
    if program == "failover":
        return _unparsed(arguments)
    if program == "nox" and "-s" in arguments and arguments[arguments.index("-s") + 1] not in sessions:
        return f"no session of nox is called {arguments[arguments.index('-s') + 1]}"
    if program in ("pytest", "chaos") and words != ["chaos", "run"]:
        files = [word for word in arguments if word.endswith(".yaml")]
        return "" if files and all((ROOT / file).is_file() for file in files) else f"{files} are no files"
    return ""


def _unparsed(arguments: list[str]) -> str:
    try:
        name, command, rest = cli.resolve_command(click.Context(cli), arguments)
        assert command is not None
        with command.make_context(name, rest, resilient_parsing="--help" in rest):
            return ""
    except click.ClickException as error:
        return error.format_message()


@pytest.fixture(scope="module")
def sessions() -> set[str]:
    """Of the noxfile, by the decorators of its functions."""
    tree = ast.parse((ROOT / "noxfile.py").read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {one.name for one in functions if any("nox.session" in ast.unparse(each) for each in one.decorator_list)}


def test_every_command_of_the_readme_can_be_typed(sessions: set[str]) -> None:
    commands = shown((ROOT / "README.md").read_text())
    assert {words[0] for words in commands} == set(PROGRAMS)
    assert {" ".join(words): said for words in commands if (said := wrong(words, sessions))} == {}


@pytest.mark.parametrize(
    "typed",
    [
        "failover run --trails 3",
        "failover rn",
        "failover check",
        "nox -s fail-over",
        "pytest experiments/kil-master.yaml",
        "chaos run kill-master.yaml",
    ],
)
def test_a_command_that_cannot_be_typed_is_noticed(typed: str, sessions: set[str]) -> None:
    [words] = shown(f"type `{typed}`")
    assert wrong(words, sessions)


def test_the_first_line_installs_every_program_that_the_others_name() -> None:
    """`failover` is ours, pytest and chaostoolkit are dependencies of it, and nox is named."""
    first = re.findall(r"```bash\n(.*?)\n", (ROOT / "README.md").read_text())[0]
    assert "activate" in first
    assert first.endswith("pip install -e '.[server]' nox")
