"""What `--on local` finds out before anything is played."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from chaos.cluster.base import Ability
from chaos.cluster.local import level
from chaos.cluster.local.level import LOOPBACK, NAMESPACES, VARIABLE, missing_queues, no_namespaces, usable_level
from chaos.cluster.local.platform import LocalPlatform
from chaos.errors import ScenarioError, SetupError
from chaos.progress import Message
from chaos.scenario import load
from tests.fakes import asked


def platform(told: list[Message], agent_image: str | None = None) -> LocalPlatform:
    loaded = load("sentinel")
    options = asked(Path(tempfile.gettempdir()), told.append, agent_image=agent_image)
    return LocalPlatform(loaded.scenario, loaded.folder, options)


@pytest.mark.local
async def test_it_says_what_it_runs_on_and_how_to_connect():
    told: list[Message] = []
    async with platform(told) as local:
        await local.deploy()
        said, reference = local.versions(), local.ref()
    assert reference["module"] == "chaos.cluster.local.cluster"
    assert reference["program"] in said.platform["server"]
    assert said.platform["isolation"] == NAMESPACES
    assert [message.data["name"] for message in told] == ["cluster"]


def test_an_image_of_the_agent_is_no_option_here():
    with pytest.raises(ScenarioError, match="--agent-image"):
        platform([], agent_image="mine:1")


@pytest.mark.local
def test_the_machine_can_do_it():
    assert usable_level().name == NAMESPACES


def test_what_was_refused_is_in_the_sentence_and_what_allows_it(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    refused = "import errno; raise PermissionError(errno.EPERM, 'no namespaces for you')"
    monkeypatch.setattr(level, "COMMAND", [sys.executable, "-c", refused])
    found = usable_level()
    assert found.name == LOOPBACK
    assert "no namespaces for you" in found.cannot[Ability.CUT]
    monkeypatch.setattr(level, "LOOPBACK_ADDRESS", "192.0.2.1")
    with pytest.raises(SetupError, match=r"no namespaces for you.*no loopback address.*kernel\.apparmor"):
        usable_level()


def test_an_attempt_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(level, "COMMAND", [sys.executable, "-c", "import signal; signal.pause()"])
    monkeypatch.setattr(level, "TRY_S", 0.2)
    assert "longer than 0.2 s" in no_namespaces()
    with pytest.raises(SetupError, match=r"slow links this kernel makes took longer than 0\.2 s"):
        missing_queues()


@pytest.mark.local
def test_an_attempt_changes_nothing_here():
    before = subprocess.run(["ip", "-o", "link"], capture_output=True, check=True, timeout=60).stdout
    usable_level()
    assert subprocess.run(["ip", "-o", "link"], capture_output=True, check=True, timeout=60).stdout == before
