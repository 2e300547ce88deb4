"""The project's own rules, where a machine can check them."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "chaos").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FILE_LINES, FUNCTION_LINES, MEDIAN_LINES = 520, 60, 10
CATALOGUES = ("chaos/record/events.py",)
"""A list of classes that are looked up and not read through."""
SWALLOWERS = {
    "chaos/cli.py entry": "a sentence and an exit code",
    "chaos/client/contract.py _answer": "the answer to a request",
    "chaos/experiment/threads.py _answer": "the outcome of a call from chaoslib's thread, raised there",
    "chaos/experiment/threads.py _run": "what ended the event loop, raised where somebody waits for it",
    "chaos/observe/watch.py supervised": "a gap event",
    "chaos/trial/steps.py undo": "one of the group that is raised when everything is undone",
}
"""The functions that may catch any exception at all and not raise it again, and what becomes of it."""
PATH = re.compile(r"`((?:chaos|tests|docs|scenarios|experiments|reports|changes|benchmarks)/[\w./-]*)`")
"""A file or folder that a page names in code, from the root of the project."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def tracked(*patterns: str) -> list[Path]:
    """Files that git knows; none where this is no checkout."""
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=False)
    return [ROOT / line for line in listed.stdout.splitlines()]


@cache
def parsed(path: Path) -> ast.Module:
    """The code of a file. It is parsed once, since half a dozen rules look at every file."""
    return ast.parse(path.read_text())


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, Function):
            yield node


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def swallowers(tree: ast.AST) -> Iterator[str]:
    """The names of functions that catch any exception at all and do not raise it again; a module's own is empty."""
    for function in ast.walk(tree):
        if isinstance(function, Function | ast.Module) and any(_swallows(node) for node in _own(function)):
            yield getattr(function, "name", "")


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """What stands in a function, without the functions in it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, Function):
            yield child
            yield from _own(child)


def _swallows(node: ast.AST) -> bool:
    if isinstance(node, ast.ExceptHandler):
        caught, silent = node.type, not any(isinstance(each, ast.Raise) for each in ast.walk(node))
        return silent and (caught is None or _any_exception(caught))
    return isinstance(node, ast.Call) and "suppress" in ast.unparse(node.func) and any(map(_any_exception, node.args))


def _any_exception(expression: ast.AST) -> bool:
    return re.search(r"\b(Base)?Exception\b", ast.unparse(expression)) is not None


def blocking_sleeps(tree: ast.AST) -> list[int]:
    """The lines that call `time.sleep`, under whatever name it was imported."""
    names = {"time.sleep"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {f"{one.asname}.sleep" for one in node.names if one.name == "time" and one.asname}
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            names |= {one.asname or one.name for one in node.names if one.name == "sleep"}
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call.lineno for call in calls if ast.unparse(call.func) in names]


def patches_of_ours(tree: ast.AST) -> list[str]:
    """What a test sets in a module of ours and is no constant in capitals: a function, a class, a method."""
    ours: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "chaos":
            ours |= {one.asname or one.name for one in node.names}
        if isinstance(node, ast.Import):
            ours |= {one.asname or "chaos" for one in node.names if one.name.partition(".")[0] == "chaos"}
    found = []
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if call.args and ast.unparse(call.func).endswith(("monkeypatch.setattr", "patch", "patch.object")):
            first, *others = call.args
            texts = [str(each.value) if isinstance(each, ast.Constant) else ast.unparse(each) for each in call.args]
            whole = texts[0] if isinstance(first, ast.Constant) or not others else f"{texts[0]}.{texts[1]}"
            if whole.partition(".")[0] in {"chaos", *ours} and not whole.rpartition(".")[2].isupper():
                found.append(whole)
    return found


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_a_file_can_be_read_in_one_sitting():
    sizes = {named(path): len(path.read_text().splitlines()) for path in [*SOURCES, *TESTS]}
    assert {name: size for name, size in sizes.items() if size > FILE_LINES and name not in CATALOGUES} == {}


def test_a_function_fits_on_a_screen_and_most_are_short():
    sizes = {f"{named(path)}:{each.lineno} {each.name}": length(each) for path in SOURCES for each in functions(path)}
    assert {name: size for name, size in sizes.items() if size > FUNCTION_LINES} == {}
    assert statistics.median(sizes.values()) < MEDIAN_LINES


def test_every_function_says_what_it_returns():
    assert [
        f"{named(path)}:{each.lineno}" for path in SOURCES for each in functions(path) if each.returns is None
    ] == []


def test_every_module_says_what_it_is_for():
    assert [named(path) for path in SOURCES if not ast.get_docstring(parsed(path))] == []


def shared_names(sources: dict[str, ast.AST]) -> dict[str, list[str]]:
    """The class names that several classes have, with the places of these; `sources` is code by its place."""
    found: dict[str, list[str]] = {}
    for place, code in sources.items():
        for node in ast.walk(code):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append(place)
    return {name: places for name, places in found.items() if len(places) > 1}


def test_every_class_has_a_name_of_its_own():
    assert shared_names({named(path): parsed(path) for path in SOURCES}) == {}


def test_two_classes_with_one_name_are_found():
    one, two = ast.parse("class Fact: ..."), ast.parse("class Fact: ...\nclass Node: ...")
    assert shared_names({"a": one, "b": two}) == {"Fact": ["a", "b"]}


def test_exceptions_are_swallowed_only_where_they_become_something_else():
    """The list is exact: who no longer swallows leaves it."""
    found = {f"{named(path)} {name}" for path in SOURCES for name in swallowers(parsed(path))}
    assert found == set(SWALLOWERS)


@pytest.mark.parametrize(
    "body",
    [
        "try: f()\n except Exception: pass",
        "try: f()\n except: pass",
        "try: f()\n except (OSError, BaseException) as error: print(error)",
        "with contextlib.suppress(Exception): f()",
    ],
)
def test_who_swallows_is_found(body):
    assert list(swallowers(ast.parse(f"def guilty():\n {body}"))) == ["guilty"]


@pytest.mark.parametrize("body", ["try: f()\n except Exception: raise", "try: f()\n except OSError: pass"])
def test_who_raises_again_or_knows_what_comes_is_not_found(body):
    assert list(swallowers(ast.parse(f"def innocent():\n {body}"))) == []


def test_nothing_sleeps_in_hope():
    """`time.sleep` blocks a loop, and waits without a limit or a reason; chaos.until has both."""
    found = {named(path): blocking_sleeps(parsed(path)) for path in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "code", ["time.sleep(1)", "from time import sleep as nap; nap(1)", "import time as t; t.sleep(1)"]
)
def test_who_sleeps_is_found_under_any_name(code):
    assert blocking_sleeps(ast.parse(code)) == [1]
    assert blocking_sleeps(ast.parse("asyncio.sleep(1)")) == []


def test_no_test_replaces_a_function_or_a_class_of_ours():
    """What may be set is a constant in capitals: a time limit, an address, a command that is tried."""
    found = {named(path): patches_of_ours(parsed(path)) for path in TESTS}
    assert {name: patched for name, patched in found.items() if patched} == {}


def test_who_replaces_something_of_ours_is_found():
    code = """
from chaos.agent import reach
monkeypatch.setattr(reach, "processes", lambda _: [])
monkeypatch.setattr(reach, "LIMIT_S", 1)
monkeypatch.setattr("chaos.until.until", None)
monkeypatch.setattr("os.geteuid", lambda: 0)
"""
    assert patches_of_ours(ast.parse(code)) == ["reach.processes", "chaos.until.until"]


@pytest.mark.parametrize("path", tracked("*.md"), ids=named)
def test_a_page_names_only_files_that_are_there(path):
    text = path.read_text()
    linked = [path.parent / target for target in re.findall(r"\]\((?!https?:)([^)#]+)", text)]
    in_code = [ROOT / target for target in PATH.findall(text)]
    assert [str(target) for target in [*linked, *in_code] if not target.exists()] == []


def test_every_module_and_room_is_on_the_map():
    there = {path.stem for path in (ROOT / "chaos").glob("*.py")} | {path.parent.name for path in SOURCES}
    table = (ROOT / "docs" / "architecture.md").read_text().partition("## Where things are")[2].partition("\n## ")[0]
    mapped = set(re.findall(r"`(\w+)/?`", table))
    inside = {path.name for path in (ROOT / "chaos").glob("*/*") if path.is_dir()}
    assert there - mapped - inside - {"chaos", "__init__", "__main__"} == set()


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


def test_nothing_is_left_for_later_and_no_comment_is_a_banner():
    wrong = re.compile(r"\b(TODO|FIXME|XXX)\b|#\s*[-=*#]{4,}|\bMagicMock\b")
    found = {named(path): wrong.findall(path.read_text()) for path in [*SOURCES, *TESTS] if path != Path(__file__)}
    assert {name: words for name, words in found.items() if words} == {}


def test_a_checkout_needs_nothing_that_lies_beside_it():
    """Only .ci/run looks beside, and goes on where there is nothing."""
    beside = re.compile(r"\.\./shared|kind-offline")
    texts = [path for path in tracked() if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".txt"}]
    assert [named(path) for path in texts if path != Path(__file__) and beside.search(path.read_text())] == []
