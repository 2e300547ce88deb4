"""The project's own rules, where a machine can check them."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "chaos").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FILE_LINES, FUNCTION_LINES, MEDIAN_LINES = 400, 60, 10
SWALLOWERS = ("chaos/cli.py", "chaos/client/", "chaos/observe/", "chaos/experiment/", "chaos/trial")
"""Where `except Exception` may stand: it becomes a sentence, an outcome, a gap event, and heal-all's group."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tracked(*patterns: str) -> list[Path]:
    """Files that git knows; none where this is no checkout."""
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / line for line in listed.stdout.splitlines()]


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield node


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def swallowers(tree: ast.AST) -> Iterator[ast.ExceptHandler]:
    """Handlers of any exception at all that do not raise again."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            caught = "BaseException" if node.type is None else ast.unparse(node.type)
            if re.search(r"\b(Base)?Exception\b", caught) and not any(isinstance(x, ast.Raise) for x in ast.walk(node)):
                yield node


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_a_file_can_be_read_in_one_sitting():
    sizes = {named(path): len(path.read_text().splitlines()) for path in [*SOURCES, *TESTS]}
    assert {name: size for name, size in sizes.items() if size > FILE_LINES} == {}


def test_a_function_fits_on_a_screen_and_most_are_short():
    sizes = {f"{named(path)}:{each.lineno} {each.name}": length(each) for path in SOURCES for each in functions(path)}
    assert {name: size for name, size in sizes.items() if size > FUNCTION_LINES} == {}
    assert statistics.median(sizes.values()) < MEDIAN_LINES


def test_every_function_says_what_it_returns():
    assert [
        f"{named(path)}:{each.lineno}" for path in SOURCES for each in functions(path) if each.returns is None
    ] == []


def test_every_module_says_what_it_is_for():
    assert [named(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_exceptions_are_swallowed_only_where_they_become_something_else():
    found = [named(path) for path in SOURCES if any(swallowers(ast.parse(path.read_text())))]
    assert [name for name in found if not name.startswith(SWALLOWERS)] == []


def test_nothing_sleeps_in_hope():
    """`time.sleep` blocks a loop, and waits without a limit or a reason; chaos.until has both."""
    assert [named(path) for path in SOURCES if "time.sleep(" in path.read_text()] == []


@pytest.mark.parametrize("path", tracked("*.md"), ids=named)
def test_a_page_names_only_files_that_are_there(path):
    targets = re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text())
    assert [target for target in targets if not (path.parent / target).exists()] == []


@pytest.mark.parametrize("path", tracked("*.yml", "*.yaml"), ids=named)
def test_every_yaml_file_can_be_read(path):
    assert list(yaml.safe_load_all(path.read_text()))


def test_workflows_pin_what_they_use_by_an_exact_tag():
    for path in tracked(".github/workflows/*.yml"):
        for used in re.findall(r"uses: (\S+)", path.read_text()):
            assert re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", used), f"{named(path)}: {used}"


def test_every_job_has_a_time_limit():
    for path in tracked(".github/workflows/*.yml"):
        jobs = yaml.safe_load(path.read_text())["jobs"]
        assert all("timeout-minutes" in job for job in jobs.values()), named(path)


def test_every_change_is_said_in_a_fragment_of_a_known_kind():
    kinds = {"added", "changed", "fixed", "removed", "README"}
    assert {path.name for path in tracked("changes/*") if path.name.split(".")[-2] not in kinds} == set()


def test_every_example_in_the_readme_is_an_option_that_exists():
    from click.testing import CliRunner

    from chaos.cli import cli

    known = CliRunner().invoke(cli, ["run", "--help"]).output
    used = set(re.findall(r"nox -s failover -- (--[\w-]+)", (ROOT / "README.md").read_text()))
    assert used
    assert {option for option in used if option not in known} == set()


def test_nothing_is_left_for_later_and_no_comment_is_a_banner():
    wrong = re.compile(r"\b(TODO|FIXME|XXX)\b|#\s*[-=*#]{4,}|\bMagicMock\b")
    found = {named(path): wrong.findall(path.read_text()) for path in [*SOURCES, *TESTS] if path != Path(__file__)}
    assert {name: words for name, words in found.items() if words} == {}


def test_a_checkout_needs_nothing_that_lies_beside_it():
    """Only .ci/run looks beside, and goes on where there is nothing."""
    beside = re.compile(r"\.\./shared|kind-offline")
    texts = [path for path in tracked() if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".txt"}]
    assert [named(path) for path in texts if path != Path(__file__) and beside.search(path.read_text())] == []
