"""A second, naive reading of a recording: plain Python, an operation at a time, nothing shared with chaos.analysis.

It follows docs/measuring.md to the letter and takes its time. The property tests hold the analysis against it. An
interval is a pair here, and one that is open has an infinite end.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

ROW = struct.Struct("<HHIqIIBBBBI")
OK, MISSED = 2, 5
LATE_ERRORS = (3, 4, 5, 14, 16)
"""closed, connect time-out, reply time-out, discovery time-out, not sent: only these can come from lateness."""
CLASSES = ("lost_before", "lost_tail", "lost_after")
Pair = tuple[float, float]


@dataclass(eq=False, slots=True)
class Op:
    client: int
    due: float
    sent: float
    done: float
    outcome: int
    error: int
    lost: bool
    lost_everywhere: bool
    good: bool = False
    late: bool = False


@dataclass
class Trial:
    """What the files say. Times are seconds from the earliest edge of the effect; `heal` is None where none was."""

    scenario: dict[str, Any]
    expects: str
    effect: Pair
    heal: float | None
    begin: float
    end: float
    started: float
    roles: dict[str, str]
    clients: list[dict[str, Any]]
    ops: dict[int, list[Op]] = field(default_factory=dict)
    stalls: list[Pair] = field(default_factory=list)
    waits: list[tuple[float, float, float]] = field(default_factory=list)


def read(directory: Path) -> Trial:
    """A trial with one fault, whose effect is t = 0."""
    manifest = json.loads((directory / "manifest.json").read_text())
    deadline, files = manifest["deadline_s"], sorted((directory / "events").glob("*.jsonl"))
    said = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    offset = {one["of"]: one["offset_ns"] for one in said if one["kind"] == "clock.offset"}

    def stamps(one: dict[str, Any]) -> tuple[int, int]:
        behind = offset.get(one["domain"], 0)
        return one.get("since_ns", one["at_ns"]) - behind, one["at_ns"] - behind

    effect = next(stamps(one) for one in said if one["kind"] == "fault.effect")

    def when(kind: str) -> list[tuple[float, float, dict[str, Any]]]:
        found = [(*stamps(one), one) for one in said if one["kind"] == kind]
        return sorted(
            (((a - effect[0]) / 1e9, (b - effect[0]) / 1e9, one) for a, b, one in found), key=lambda each: each[1]
        )

    heals = [a for a, _, _ in when("fault.heal_requested")]
    trial = Trial(
        scenario=manifest["scenario"],
        expects=manifest["experiment"]["expects"],
        effect=(0.0, (effect[1] - effect[0]) / 1e9),
        heal=min(heals) if heals else None,
        begin=min((stamps(one)[1] - effect[0]) / 1e9 for one in said),
        end=when("clients.stopped")[-1][1],
        started=[b for _, b, _ in when("clients.started") if b <= 0][-1],
        roles={one["member"]: one["role"] for _, _, one in when("role")},
        clients=manifest["clients"],
    )
    hiccups = [(b - one["late_ns"] / 1e9, b) for _, b, one in when("hiccup")]
    for _, b, one in when("hiccup"):
        if one["late_ns"] / 1e9 >= deadline / 2 - 1e-9:
            trial.stalls.append((b - one["late_ns"] / 1e9, b))
    trial.waits = [(a, b, one["waited_ns"] / 1e9) for a, b, one in when("waited")]
    for op in _operations(directory, [one["number"] for one in trial.clients], offset, effect[0]):
        op.good = op.outcome == OK and op.done - op.due <= deadline + 5e-7
        if not op.good and (op.outcome in (OK, MISSED) or op.error in LATE_ERRORS):
            waited = sum(seconds for a, b, seconds in trial.waits if a < op.done and b > op.due)
            stalled = sum(max(0.0, min(b, op.done) - max(a, op.due)) for a, b in hiccups)
            op.late = waited >= deadline / 2 or any(op.due < b and op.done > a for a, b in trial.stalls)
            op.late |= stalled >= deadline / 2 - 1e-9
        trial.ops.setdefault(op.client, []).append(op)
    return trial


def _operations(directory: Path, clients: list[int], offset: dict[str, int], t0_ns: int) -> Iterator[Op]:
    masters = [directory / "audit", *sorted(one for one in (directory / "audit").iterdir() if one.is_dir())]
    bits = {number: [(one / f"{number}.bits").read_bytes() for one in masters] for number in clients}
    for path in sorted((directory / "ops").glob("*.rows")):
        data = path.read_bytes()
        length = struct.unpack_from("<8sI", data)[1]
        behind = offset.get(json.loads(data[12:length])["domain"], 0)
        for client, _, seq, due_ns, sent_us, done_us, outcome, error, _, _, _ in ROW.iter_unpack(data[length:]):
            due = (due_ns - behind - t0_ns) / 1e9
            there = [outcome != OK or bool(each[seq // 8] >> seq % 8 & 1) for each in bits[client]]
            lost, everywhere = not all(there), not any(there)
            yield Op(client, due, due + sent_us / 1e6, due + done_us / 1e6, outcome, error, lost, everywhere)


# Outages.


@dataclass
class Outage:
    """`length` and `end` are open where no good operation ended it; `when` is before, fault or after heal."""

    when: str
    onset: Pair
    end: Pair | None
    length: Pair


def outages(ops: list[Op], durable: bool, gap: float, heal: float | None) -> list[Outage]:
    """One client's outages, one after the other."""
    told = sorted(ops, key=lambda op: op.sent)
    sure = [op for op in told if op.good or (durable and op.lost) or not op.late]
    groups: list[list[int]] = []
    for at, op in enumerate(sure):
        if op.good and not (durable and op.lost):
            continue
        back = groups[-1][-1] + 1 if groups else at
        if groups and (back == at or op.sent - sure[back].sent <= gap):
            groups[-1].append(at)
        else:
            groups.append([at])
    found: list[Outage] = []
    for group in groups:
        before = sure[group[0] - 1] if group[0] else None
        after = sure[group[-1] + 1 :][:1]
        back_for_good = after[0] if after and sure[-1].sent - after[0].sent >= gap else None
        found += _cut(before, [sure[at] for at in group], back_for_good, heal)
    return found


def _cut(before: Op | None, mine: list[Op], back: Op | None, heal: float | None) -> list[Outage]:
    """At the effect, and then at the healing of a fault that lasts."""
    first, last, ended = mine[0].sent, mine[-1].sent, back.done if back else None
    onset = (before.sent if before else first, first)
    found: list[Outage] = []
    if mine[0].done < 0:
        ours = [op for op in mine if op.done >= 0]
        if not ours:
            return [_outage("before", onset, last, ended)]
        earlier = [op for op in mine[: mine.index(ours[0])] if op.done < 0]
        found.append(_outage("before", onset, earlier[-1].sent, 0.0))
        onset, first, last = (0.0, max(0.0, ours[0].sent)), max(0.0, ours[0].sent), max(0.0, last)
    if heal is None or (back and back.sent <= heal):
        return [*found, _outage("fault", onset, last, ended)]
    if onset[0] >= heal:
        return [*found, _outage("after heal", onset, last, ended)]
    found.append(Outage("fault", onset, None, (max(0.0, heal - first), inf)))
    end = None if ended is None else (max(heal, last), ended)
    return [
        *found,
        Outage("after heal", (heal, heal), end, (max(0.0, last - heal), inf if ended is None else ended - heal)),
    ]


def _outage(when: str, onset: Pair, last: float, ended: float | None) -> Outage:
    least = max(0.0, last - onset[1])
    if ended is None:
        return Outage(when, onset, None, (least, inf))
    return Outage(when, onset, (min(last, ended), ended), (least, ended - onset[0]))


# Paths and promises.


@dataclass
class Way:
    state: str
    recovered: Pair | None
    downtime: Pair | None
    at_end: str
    lost: int
    each: list[list[Outage]]


def of_path(trial: Trial, clients: list[dict[str, Any]]) -> Way:
    gap, numbers = _number(trial.scenario["gap"]), [one["number"] for one in clients]
    deadline = _number(trial.scenario["deadline"])
    begin = trial.started + min(2.0, -trial.started / 3)
    span, good, counted, few, silent = -deadline - begin, 0, 0, False, False
    for one in clients:
        mine = [op for op in trial.ops[one["number"]] if begin <= op.due < -deadline and not op.late]
        fine = sum(op.good for op in mine)
        few, silent = few or len(mine) < one["rate_hz"] * span / 2, silent or not fine
        good, counted = good + fine, counted + len(mine)
    state = "never worked" if not good else "works" if good >= 0.9 * counted and not silent else "unreliable"
    state = "unproved" if few or span < 1 else state
    lost = sum(op.lost for number in numbers for op in trial.ops[number])
    if state not in ("works", "unproved"):
        return Way(state, None, None, "unknown", lost, [])
    each = [outages(trial.ops[number], True, gap, trial.heal) for number in numbers]
    recovered, downtime, ends = [], [], set()
    for number, found in zip(numbers, each, strict=True):
        ours = [one for one in found if one.when == "fault"]
        if ours:
            recovered.append(ours[0].end or (ours[0].onset[1] + ours[0].length[0], inf))
            downtime.append((sum(one.length[0] for one in ours), sum(one.length[1] for one in ours)))
        if found and found[-1].end is None:
            sure = [op for op in trial.ops[number] if op.lost or not op.late]
            ends.add("unknown" if sure[-1].good and not sure[-1].lost else "out")
    worst = [max(them, key=lambda pair: (pair[1], pair[0]), default=None) for them in (recovered, downtime)]
    at_end = "out" if "out" in ends else "unknown" if ends else "works"
    return Way(state, worst[0], worst[1], at_end, lost, each)


def losses(trial: Trial) -> dict[str, tuple[int, int]]:
    """By class: missing on every master that was read, and missing on any."""
    found = {"before": (0, 0), "tail": (0, 0), "after": (0, 0)}
    for op in (op for ops in trial.ops.values() for op in ops if op.lost):
        which = "before" if op.done < -1.0 else "after" if op.done > trial.effect[1] else "tail"
        everywhere, anywhere = found[which]
        found[which] = everywhere + op.lost_everywhere, anywhere + 1
    return found


def held(measured: Pair, limit: float) -> str:
    a, b = measured
    if a > limit or (b == inf and a >= limit):
        return "fail"
    return "pass" if b <= limit else "undecided"


def ways(trial: Trial) -> dict[str, Way]:
    """Every path by name, as in service/new."""
    names = dict.fromkeys(f"{one['path']}/{one['connection']}" for one in trial.clients)
    of = {name: [one for one in trial.clients if f"{one['path']}/{one['connection']}" == name] for name in names}
    return {name: of_path(trial, clients) for name, clients in of.items()}


def promises(trial: Trial, paths: Mapping[str, Way]) -> dict[str, str]:
    """What becomes of each promise: `lost_tail`, and of a path as `recovery, service/new`."""
    limits = {name: _number(it.get("limit", 0)) for name, it in trial.scenario["targets"].items()}
    found = {}
    for name, count in losses(trial).items():
        found[f"lost_{name}"] = held(count, limits[f"lost_{name}"])
    masters = [who for who, role in trial.roles.items() if role == "master"]
    found["works_at_end"] = "pass" if len(masters) == 1 else "fail"
    for path, way in paths.items():
        word = {"never worked": "fail", "unreliable": "not-applicable", "unproved": "undecided"}.get(way.state)
        recovered = way.recovered and (max(0.0, way.recovered[0] - trial.effect[1]), way.recovered[1])
        for claim, measured in (("recovery", recovered), ("downtime", way.downtime)):
            it = held(measured, limits[claim]) if measured else "pass"
            found[f"{claim}, {path}"] = word or it
        at_end = {"works": "pass", "out": "fail", "unknown": "undecided"}[way.at_end]
        found[f"works_at_end, {path}"] = word or at_end
    return found


def verdict(gates: Mapping[str, str]) -> str:
    """Of a trial that nothing voids, from what became of each of its gates."""
    if "fail" in gates.values():
        return "fail"
    on_a_path = [it for name, it in gates.items() if "," in name]
    return "inconclusive" if "undecided" in gates.values() or "pass" not in on_a_path else "pass"


def _number(text: object) -> float:
    """As in 15, `15s` and `0.5s`."""
    return float(str(text).rstrip("s"))
