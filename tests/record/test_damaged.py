"""Files that were cut off, emptied, overwritten or edited: each ends with a sentence that names file and line."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chaos.cli import entry
from tests.recordings import no_fault, write_campaign

GARBAGE = b"\xff\xfe\x00garbage\x80"
DOCUMENTS = ("campaign.json", "trial-000/manifest.json", "trial-000/settings.json", "trial-000/closed")
PYTHONS = re.compile(r"Traceback|Error\(|codec|Expecting|has no attribute|object is not|indices must be|argument")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = write_campaign(tmp_path_factory.mktemp("whole") / "one", [no_fault()])
    assert entry(["analyse", str(directory)]) == 0
    return directory


@pytest.fixture
def said(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a command says of the campaign after a file of it was changed; the exit code is that of a bad recording."""

    def told(name: str, change: Callable[[bytes], bytes], command: str = "analyse") -> str:
        directory = tmp_path / "one"
        shutil.copytree(recorded, directory)
        path = directory / name
        path.write_bytes(change(path.read_bytes()))
        more = [str(directory)] if command == "compare" else []
        assert entry([*command.split(), str(directory), *more]) == 4
        text = capsys.readouterr().err
        assert text.startswith(f"error: {path}")
        assert not PYTHONS.search(text), text
        assert len(text.splitlines()) == 1
        return text

    return told


def edited(*keys: Any, to: Any) -> Callable[[bytes], bytes]:
    """Another value of another type, at its place in a document or in the first line of a file of events."""

    def change(data: bytes) -> bytes:
        first, newline, rest = data.partition(b"\n") if data.startswith(b'{"kind"') else (data, b"", b"")
        whole = json.loads(first)
        inner = whole
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = to
        return json.dumps(whole, indent=None if newline else 1).encode() + newline + rest

    return change


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_that_is_none_is_said_to_be_so(said: Callable[..., str], name: str):
    assert "is empty, and an object of JSON was expected" in said(name, lambda _: b"\n")


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: data[: len(data) // 2], "is not JSON: "),
        (lambda data: data[:9] + b"\n" + GARBAGE, ":2 is not JSON: it has bytes that are no text in UTF-8"),
        (lambda _: b"[1]", ":1: an object was expected, and this is a list"),
        (lambda _: b"3", ":1: an object was expected, and this is a whole number"),
        (lambda _: b"[" * 100_000, "it is nested too deeply"),
    ],
    ids=["cut off", "garbage", "a list", "a number", "nested"],
)
def test_a_damaged_document_is_told_with_its_line(
    said: Callable[..., str], name: str, change: Callable[[bytes], bytes], sentence: str
):
    assert sentence in said(name, change)


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("campaign.json", edited("trials", to="x"), "trials: a whole number was expected, and this is text"),
        (
            "campaign.json",
            edited("experiments", to=[3]),
            "experiments, 0: text was expected",
        ),
        ("campaign.json", edited("claim", to="soon"), "claim: one such as 15s@95/95 was expected"),
        ("campaign.json", edited("options", to=None), "options: an object was expected, and this is null"),
        ("trial-000/manifest.json", edited("cluster", to="kind"), "cluster: an object was expected"),
        ("trial-000/manifest.json", edited("clients", 0, "rate_hz", to="x"), "clients, 0, rate_hz: a number was"),
        ("trial-000/settings.json", edited("redis", to=[1]), "redis: an object was expected, and this is a list"),
        ("trial-000/closed", edited("ended", to=3), "ended: text was expected, and this is a whole number"),
        ("trial-000/events/host.jsonl", lambda data: GARBAGE + b"\n" + data, ":1: not an event (an object of JSON was"),
        ("trial-000/events/host.jsonl", edited("at_ns", to="x"), "at_ns: a whole number was expected"),
        ("trial-000/events/host.jsonl", edited("boot_id", to=[3]), "boot_id: text was expected, and this is a list"),
        ("trial-000/events/host.jsonl", edited("domain", to=None), "domain: text was expected, and this is null"),
        ("trial-000/events/host.jsonl", edited("what", to=1), "what: nothing of this name was expected here"),
    ],
)
def test_a_field_of_another_type_is_told(
    said: Callable[..., str], name: str, change: Callable[[bytes], bytes], sentence: str
):
    assert sentence in said(name, change)


@pytest.mark.parametrize("command", ["check", "compare", "history", "check --gate known"])
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda data: data[: len(data) // 2], "is not JSON"),
        (lambda _: GARBAGE, "no text in UTF-8"),
        (lambda _: b"{}", "says no version, and this reads version 2: `failover analyse` makes it anew"),
        (edited("trials", to=[3]), "trials, 0: an object was expected"),
        (edited("trials", 0, "number", to="x"), "number: a whole number was expected"),
        (edited("trials", 0, "t0", to="yesterday"), "t0: a time as in 2026-11-26T18:23:21Z was expected"),
        (edited("verdict", to="nix"), "verdict: pass or fail or inconclusive was expected, and this is 'nix'"),
        (edited("manifest", to=3), "manifest: an object was expected"),
    ],
    ids=["cut off", "garbage", "empty", "trials", "number", "t0", "verdict", "manifest"],
)
def test_a_damaged_summary_is_told(
    said: Callable[..., str], command: str, change: Callable[[bytes], bytes], sentence: str
):
    assert sentence in said("summary.json", change, command)


def test_bits_of_nobody_are_told(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    shutil.copytree(recorded, tmp_path / "one")
    (tmp_path / "one" / "trial-000" / "audit" / "x.bits").write_bytes(b"")
    assert entry(["analyse", str(tmp_path / "one")]) == 4
    assert "the number of a client was expected as its name" in capsys.readouterr().err


def test_an_expectation_that_is_no_text_is_told(recorded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "expected.yaml"
    path.write_bytes(b"expected:\n" + GARBAGE)
    assert entry(["check", str(recorded), "--gate", "known", "--expected", str(path)]) == 2
    assert f"{path}:2: it has bytes that are no text in UTF-8" in capsys.readouterr().err
