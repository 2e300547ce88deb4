"""What tests of the pipeline share: a small scenario for the cluster in memory, and a trial of it in this process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from chaos.cluster.base import PlatformOptions
from chaos.options import PLATFORMS, Options, Registered
from chaos.progress import Message, Tell, Tells
from chaos.record.event_files import read_events
from chaos.record.events import Stamped
from chaos.scenario import Scenario, load
from chaos.trial.assignment import TrialSpec
from chaos.trial.worker import work
from chaos.undo import Undo
from tests.fake_world import UNDONE

SCENARIO = """
about: A cluster in memory
system:
  kube:
    manifests: []
    namespace: fake
    images: []
    redis: {selector: app=redis}
    sentinel: {selector: app=sentinel, service: rfs-redis-cluster}
    master_label: redisfailovers-role=master
  period: 200ms
clients:
  service: {address: "rfrm-redis-cluster:6379", count: 1, rate_each: 20/s}
  sentinel: {sentinel: "rfs-redis-cluster:26379", count: 1, rate_each: 20/s}
  given: {address: "rfr-redis-cluster:6379", count: 1, rate_each: 20/s, gate: false}
targets:
  recovery: {limit: 15s}
  lost_after: {limit: 0}
limits: {recovery: 2s, stable: 300ms, watch: 600ms, baseline: 300ms, healthy: 1500ms}
gap: 200ms
"""

HERE = Path(__file__).parent.parent


def scenario_file(folder: Path) -> Path:
    file = folder / "small" / "scenario.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(SCENARIO)
    return file


def small(folder: Path) -> Scenario:
    return load(str(scenario_file(folder))).scenario


def trial_spec(folder: Path, script: str = "", experiment: str | Path = "kill-master") -> TrialSpec:
    """A trial of the cluster in memory; `experiment` is one of ours by name, or a file."""
    path = HERE / "experiments" / f"{experiment}.yaml" if isinstance(experiment, str) else experiment
    run = folder / "run"
    run.mkdir(exist_ok=True)
    return TrialSpec(
        campaign="2026-01-02T0304-small",
        number=0,
        nth=1,
        of=1,
        experiment=str(path),
        seed=7,
        directory=str(folder / "trial-000"),
        scenario=small(folder).model_dump(mode="json"),
        ref={"module": "tests.fake_cluster", "script": script},
        cluster={"kind": "fake", "name": "in memory", "platform": {}, "images": {}},
        system="fresh",
        run=str(run),
    )


def choose_the_fake(monkeypatch: pytest.MonkeyPatch, *, own_system: bool = False) -> None:
    """Let `--on fake` be the cluster in memory. Workers find `tests` from the checkout.

    `own_system`: every trial connects to a system in memory of its own, so that several can be played side by side.
    """
    monkeypatch.setitem(PLATFORMS, "fake", Registered(of="tests.fake_cluster:platform", own_system=own_system))
    monkeypatch.chdir(HERE)


def options(folder: Path, **changes: object) -> Options:
    """What is asked of a campaign of kills on the cluster in memory, with `changes`."""
    usual = {"on": "fake", "scenario": str(scenario_file(folder)), "experiments": ("kill-master",), "seed": 7}
    return Options(**(usual | {"out": folder / "reports"} | changes))  # type: ignore[arg-type]


def asked(
    folder: Path, tell: Tells = lambda _: None, *, keep: bool = False, agent_image: str | None = None
) -> PlatformOptions:
    """What a platform is asked by a campaign that writes down in this folder how what it makes is removed."""
    folder.mkdir(exist_ok=True)

    def write(undo: Undo) -> Path:
        file = folder / f"{len(list(folder.iterdir()))}.json"
        file.write_text(json.dumps(asdict(undo)))
        return file

    return PlatformOptions(keep=keep, tell=tell, made=write, agent_image=agent_image)


class Played:
    """A trial that was played here, in this process and its main thread, as its worker plays it."""

    def __init__(self, spec: TrialSpec, tell: Tells = lambda _message: None) -> None:
        self.directory = Path(spec.directory)
        self.messages: list[Message] = []
        self._tell = tell
        reading, writing = os.pipe()
        with os.fdopen(reading) as given, os.fdopen(writing, "w") as held:
            held.write(spec.line() + "\n")
            held.flush()
            self.code = work(given, self)

    def write(self, line: str) -> None:
        """Called with every line that the worker writes."""
        self.messages.append(Message.parse(line))
        self._tell(self.messages[-1])

    def flush(self) -> None:
        """Nothing is held back."""

    @property
    def closed(self) -> dict[str, Any]:
        return read(self.directory / "closed")

    @property
    def undone(self) -> list[str]:
        return [json.loads(line) for line in (self.directory.parent / UNDONE).read_text().splitlines()]

    @property
    def events(self) -> list[Stamped[Any]]:
        files = sorted((self.directory / "events").glob("*.jsonl"))
        return sorted((event for file in files for event in read_events(file)), key=lambda event: event.at_ns)

    def kinds(self, begin: str) -> list[str]:
        return [event.event.kind for event in self.events if event.event.kind.startswith(begin)]

    def told(self, tell: Tell) -> list[dict[str, Any]]:
        return [message.data for message in self.messages if message.tell is tell]


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def signalled(
    command: Sequence[str], environment: Mapping[str, str], when: str = "", number: int = signal.SIGTERM
) -> tuple[int, str]:
    """The exit code and the output of a Python program in our folder; signalled twice once it has printed `when`."""
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=HERE,
        env={**os.environ, **environment, "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line)
            if when and when in line:
                when = ""
                process.send_signal(number)
                process.send_signal(number)
        return process.wait(120), "".join(printed)
