"""A story as the directory of a trial, and several as that of a campaign: raw, with nothing derived."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from chaos.clock import AGENT, HOST
from chaos.record.events import Stamped, to_line
from chaos.record.layout import FORMAT
from tests.recordings.load import write_bits, write_ops
from tests.recordings.story import Story
from tests.recordings.world import (
    DEADLINE_S,
    IDENTITY,
    IPS,
    NODE,
    OPERATOR,
    SENTINELS,
    WALL_NS,
    ns,
    run_id,
    stamp,
)
from tests.saying import stamped


def write_trial(story: Story, campaign: Path) -> Path:
    directory = campaign / f"trial-{story.number:03d}"
    for name in ("ops", "events", "logs", "audit"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    _documents(story, directory)
    opened = _logs(story, directory)
    _ops(story, directory)
    _events([*story.events, *opened, *_regular(story), *_audit(story)], story, directory)
    return directory


def write_campaign(directory: Path, stories: Iterable[Story]) -> Path:
    stories = list(stories)
    directory.mkdir(parents=True, exist_ok=True)
    manifest = {
        "format": FORMAT,
        "name": directory.name,
        "version": "0.1.0",
        "command": "failover run",
        "scenario": "redis-operator",
        "cluster": "kind",
        "experiments": list(dict.fromkeys(story.experiment for story in stories)),
        "trials": 1,
        "seed": 4711,
        "started": stamp(-120.0),
        "options": {"on": "kind"},
    }
    (directory / "campaign.json").write_text(json.dumps(manifest))
    for story in stories:
        write_trial(story, directory)
    return directory


def _documents(story: Story, directory: Path) -> None:
    (directory / "manifest.json").write_text(json.dumps(_manifest(story, directory)))
    (directory / "settings.json").write_text(json.dumps(story.settings))
    (directory / "journal.json").write_text(json.dumps({"status": "completed", "run": []}))
    if story.closed is not None:
        (directory / "closed").write_text(json.dumps(story.closed))


def _manifest(story: Story, directory: Path) -> dict[str, Any]:
    title = story.experiment.replace("-", " ")
    about = {"name": story.experiment, "title": title, "description": "", "expects": story.expects}
    return {
        "format": FORMAT,
        "campaign": directory.parent.name,
        "trial": story.number,
        "experiment": about | {"sha256": "0" * 64},
        "scenario": story.scenario,
        "cluster": {"kind": "kind", "name": "failover-7f3a", "platform": {"kubernetes": "v1.34.4"}, "images": {}},
        "seed": story.seed,
        "versions": {"failover": "0.1.0", "python": "3.11.7", "redis-py": "8.1.0"},
        "clients": [client.as_json() for client in story.clients],
        "domains": {HOST: IDENTITY, AGENT: IDENTITY},
        "deadline_s": DEADLINE_S,
        "keys": f"failover:sample:{story.number}:",
        "system": "fresh",
        "started": stamp(-60.0),
    }


def _logs(story: Story, directory: Path) -> list[Stamped[Any]]:
    opened = []
    for pod, lines in story.logs.items():
        component = "operator" if pod == OPERATOR else "sentinel" if pod in SENTINELS else "redis"
        name = f"{component}-{pod}-0a1b2c3d.log"
        (directory / "logs" / name).write_text("".join(sorted(lines)))
        fields = {"file": name, "component": component, "pod": pod, "uid": f"uid-{pod}", "container": "c" * 64}
        opened.append(_event("log.opened", -story.baseline_s, NODE, **fields))
    return opened


def _ops(story: Story, directory: Path) -> None:
    for name, kind in (("meters", "meter"), ("app", "application")):
        clients = [client for client in story.clients if client.kind == kind]
        if clients:
            rows = np.concatenate([story.load(client).rows() for client in clients])
            by_time = np.argsort(rows["intended_ns"], kind="stable")
            write_ops(directory / "ops" / f"{name}.rows", clients, rows[by_time])
    for client in story.clients if story.audited else []:
        write_bits(directory / "audit" / f"{client.number}.bits", story.load(client).kept())


def _regular(story: Story) -> list[Stamped[Any]]:
    """What comes every second, and the end of the clients."""
    found = [_event("clients.stopped", story.length_s, AGENT, deadline_s=DEADLINE_S)]
    for second in range(-int(story.baseline_s), int(story.length_s) + 1):
        found.append(_event("clock.pair", second, HOST, wall_ns=WALL_NS + second * 10**9))
        found.append(_event("hiccups", second, AGENT, worst_ns=1_200_000, ticks=1000))
        found.append(_event("pressure", second, HOST, some10=12.5, load1=1.4))
    return found


def _audit(story: Story) -> list[Stamped[Any]]:
    """The audit of a story that told none of its own."""
    if not story.audited or any(event.event.kind == "audit" for event in story.events):
        return []
    before = len(story.events)
    story.sanity(story.length_s + 1.0)
    sanity, story.events = story.events[before:], story.events[:before]
    who = story.killed if story.switched_s is None else story.successor
    fields = {"address": f"{IPS[who]}:6379", "run_id": run_id(who), "keys": 1000, "present": 1000, "took_s": 0.4}
    return [*sanity, _event("audit", story.length_s + 2.0, AGENT, undecided="", **fields)]


def _events(events: list[Stamped[Any]], story: Story, directory: Path) -> None:
    for writer in (HOST, AGENT):
        mine = [event for event in events if (event.domain == AGENT) == (writer == AGENT)]
        told = {event.domain for event in mine if event.event.kind == "clock.domain"}
        domains = ({writer} | {event.domain for event in mine}) - told
        first = [_domain_event(domain, -story.baseline_s) for domain in sorted(domains)]
        lines = [to_line(event) for event in [*first, *sorted(mine, key=lambda event: event.at_ns)]]
        (directory / "events" / f"{writer}.jsonl").write_text("".join(lines))


def _domain_event(domain: str, at_s: float) -> Stamped[Any]:
    reading = {"mono_ns": ns(at_s), "wall_ns": WALL_NS + round(at_s * 1e9)}
    return _event("clock.domain", at_s, domain, **IDENTITY, **reading)


def _event(kind: str, at_s: float, domain: str, **fields: Any) -> Stamped[Any]:
    return stamped(kind, domain, ns(at_s), **fields)
