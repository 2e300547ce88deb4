"""Application clients in a scenario: what may be written, and what is refused because it is not here."""

import sys
from pathlib import Path

import pytest

from chaos.errors import ScenarioError
from chaos.scenario import load
from chaos.scenario.clients import MODULES, Client, missing, not_in_pods

TEXT = """\
about: A small one
system:
  local: {sentinel: {service: sentinel}, endpoint: {service: redis, mode: sentinel}}
  period: 1s
clients:
  service: {address: redis:6379}
  mine: {address: redis:6379, CLIENT}
targets:
  recovery: {limit: 15s}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


def written(folder: Path, client: str) -> Client:
    (folder / "scenario.yaml").write_text(TEXT.replace("CLIENT", client))
    return load(str(folder)).scenario.clients["mine"]


@pytest.mark.parametrize(
    ("client", "gate", "audit"),
    [
        ("count: 1", True, True),
        ("library: redis-py-asyncio", False, True),
        ("library: redis-py-pool, gate: true", True, True),
        ("command: [bash]", False, True),
        ("client: shop:write, audit: false", False, False),
    ],
)
def test_an_application_client_informs_unless_it_says_that_it_gates(folder: Path, client: str, gate: bool, audit: bool):
    (folder / "shop.py").write_text("def write(key, value): ...\n")
    found = written(folder, client)
    assert (found.gate, found.audit) == (gate, audit)


def test_glide_is_refused_where_a_certificate_does_not_name_its_host():
    for library in MODULES:
        client = Client.model_validate({"address": "redis:6379", "library": library})
        assert "certificate" not in missing(client, Path())
        assert ("names another than its host" in missing(client, Path(), tls="generated")) == (
            library == "valkey-glide"
        )


def test_tasks_of_celery_are_no_keys_that_are_read_back(folder: Path):
    pytest.importorskip("celery")
    assert written(folder, "library: celery").audit is False
    with pytest.raises(ScenarioError, match="leave audit out"):
        written(folder, "library: celery, audit: true")


def test_the_folder_is_remembered_where_code_of_the_users_is_looked_for(folder: Path):
    (folder / "my-client").write_text("#!/bin/sh\n")
    (folder / "my-client").chmod(0o755)
    written(folder, "command: [./my-client]")
    assert load(str(folder)).scenario.folder == str(folder)
    written(folder, "library: redis-py-pool")
    assert load(str(folder)).scenario.folder == ""


@pytest.mark.parametrize(
    ("client", "says"),
    [
        ("client: shop", '"shop" names no function; write module:function'),
        ("client: nosuchshop:write", "there is no module nosuchshop in .*mine.*pip install nosuchshop"),
        ("client: shop:wrote", "shop.py has no function wrote"),
        ("client: shop.deeper:write", "there is no module shop.deeper"),
        ("command: []", "at least 1"),
        ("command: [./nowhere]", "the program ./nowhere is not in .*mine, or cannot be run"),
        ("command: [no-such-program-of-ours]", "is not in PATH"),
        ("command: [bash], library: redis-py-pool", "exclude each other"),
        ("library: redis-pool", "redis-py-pool"),
    ],
)
def test_what_cannot_be_played_is_refused_with_file_and_line(folder: Path, client: str, says: str):
    (folder / "shop.py").write_text("def write(key, value): ...\n")
    with pytest.raises(ScenarioError, match=says) as refused:
        written(folder, client)
    assert "scenario.yaml:7: clients.mine" in str(refused.value)


def test_glide_cannot_ask_sentinel():
    with pytest.raises(ValueError, match="valkey-glide cannot ask Sentinel"):
        Client.model_validate({"library": "valkey-glide", "sentinel": "sentinel:26379"})


def test_a_library_that_is_not_installed_is_refused_with_the_command_that_brings_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [finder for finder in sys.meta_path if "Path" not in str(finder)])
    monkeypatch.setitem(MODULES, "valkey-py", "a_library_that_is_not_there")
    with pytest.raises(ScenarioError, match=r"not installed: pip install 'failover-harness\[clients\]'"):
        written(folder, "library: valkey-py")


@pytest.mark.parametrize(
    ("client", "inside"),
    [
        ({"library": "redis-py-asyncio"}, True),
        ({}, True),
        ({"library": "valkey-py"}, False),
        ({"client": "shop:write"}, False),
        ({"command": ["bash"]}, False),
    ],
)
def test_pods_have_redis_py_and_no_code_of_the_users(client: dict[str, object], inside: bool):
    assert (not not_in_pods(Client.model_validate({"address": "redis:6379", **client}))) is inside
