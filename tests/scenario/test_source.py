"""A YAML file becomes plain data that knows where each value stands."""

import pytest

from chaos.errors import ScenarioError
from chaos.scenario.source import override, read


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "some.yaml"
        path.write_text(text)
        return path

    return write


def test_each_value_knows_its_line(written):
    path = written("about: x\nlimits:\n  watch: 5s\nlist:\n- a\n- b: 1\n")
    source = read(path)
    assert source.data == {"about": "x", "limits": {"watch": "5s"}, "list": ["a", {"b": 1}]}
    assert source.at(("limits", "watch")) == f"{path}:3"
    assert source.at(("list", 1, "b")) == f"{path}:6"


def test_a_place_that_is_not_written_is_said_to_be_at_what_is_above_it(written):
    path = written("about: x\nlimits:\n  watch: 5s\n")
    assert read(path).at(("limits", "gone", "deeper")) == f"{path}:2"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", r":3: a: stands here twice"),
        ("x:\n  a: 1\n  a: 2\n", r":3: x\.a: stands here twice"),
        ("a: [1\n", r"yaml:2: this is no YAML: expected"),
        ("- a\n", "is a mapping"),
        ("", "is a mapping"),
        ("a: !!python/name:os.system 1\n", "cannot be read"),
        ("a: 2026-99-99\n", "cannot be read"),
        ("a: \x01\n", "not allowed"),
    ],
)
def test_what_is_no_plain_mapping_is_an_error_with_its_line(written, text, says):
    with pytest.raises(ScenarioError, match=says):
        read(written(text))


def test_a_file_that_is_not_text_is_an_error(tmp_path):
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match=r"binary\.yaml"):
        read(path)


def test_an_override_replaces_one_value_and_says_so(written):
    source = override(read(written("limits: {watch: 5s, stable: 1s}\n")), {"limits.watch": "7s"})
    assert source.data == {"limits": {"watch": "7s", "stable": "1s"}}
    assert source.at(("limits", "watch")) == "--set limits.watch=7s"


def test_an_override_makes_what_is_not_there_and_says_so_for_all_of_it(written):
    source = override(read(written("a: 1\n")), {"b.c": "[1, 2]"})
    assert source.data == {"a": 1, "b": {"c": [1, 2]}}
    assert source.at(("b",)) == "--set b.c=[1, 2]"


def test_a_replaced_mapping_forgets_the_lines_of_what_was_in_it(written):
    source = override(read(written("a:\n  b: 1\n")), {"a": "{}"})
    assert source.at(("a", "b")) == "--set a={}"


@pytest.mark.parametrize("setting", [{"a.b": "1"}, {"l.0": "1"}, {"a": "[1"}])
def test_an_override_that_fits_nowhere_is_an_error(written, setting):
    with pytest.raises(ScenarioError, match="--set"):
        override(read(written("a: 1\nl: [1]\n")), setting)
