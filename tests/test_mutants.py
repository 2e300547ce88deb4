"""The list of mistakes that `nox -s mutants` makes: that each can still be made, and that it is long enough."""

import runpy
import tomllib
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
MUTANTS = tomllib.loads((ROOT / "benchmarks" / "mutants" / "list.toml").read_text())["mutant"]
LEAST = 120
ROOMS = ("analysis/", "findings/", "record/", "cluster/health.py", "experiment/", "client/outcome.py")


def test_every_mutant_still_applies_at_one_place():
    places = {f"{one['file']}: {one['name']}": (ROOT / one["file"]).read_text().count(one["old"]) for one in MUTANTS}
    assert {name: count for name, count in places.items() if count != 1} == {}


def test_every_mutant_changes_something_and_can_still_be_read():
    for one in MUTANTS:
        changed = (ROOT / one["file"]).read_text().replace(one["old"], one["new"])
        assert changed != (ROOT / one["file"]).read_text(), one["name"]
        compile(changed, one["file"], "exec")


def test_no_mutant_is_there_twice():
    assert [count for count in Counter((one["file"], one["name"]) for one in MUTANTS).values() if count > 1] == []


def test_every_file_that_is_changed_has_tests_that_concern_it():
    """The benchmark itself says which they are, and has no answer for a file that it does not list."""
    mutants = runpy.run_path(str(ROOT / "benchmarks" / "mutants" / "run.py"))["listed"]()
    assert {path for one in mutants for path in one.tests if not (ROOT / path).exists()} == set()


def test_there_are_enough_of_every_room():
    assert len(MUTANTS) >= LEAST
    missing = {room for room in ROOMS if not any(one["file"].startswith(f"chaos/{room}") for one in MUTANTS)}
    assert missing == set()
