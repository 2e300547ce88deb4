"""What the agent costs: CPU time (user and system) an operation, and its share of a core for each shipped load.

Run as `python benchmarks/agent_cost.py [SECONDS [CASE …]]`; 10 s and every case unless told. The agent is the real
process, `python -m chaos.agent`, beside one master, two replicas and three Sentinels on loopback; its time is what the
kernel counts in /proc/PID/task/*/schedstat while the clients run. An operation's cost is that of sixteen meters of one
kind at 50/s, less what the agent costs without clients. Prints one JSON object a case. Wanted: at most 0.14 of a core
for the load of each shipped scenario.

Where the time goes, on two cores that others kept busy (`perf record`, `py-spy record --gil`). To wake up from idle
costs 30 to 45 µs, whatever is then done: a loop that does nothing else 1000 times a second takes 0.043 of a core, 200
times a second 0.013. An operation on a kept connection takes 6 µs in a loop that never sleeps, and a new connection 35.

    before the grid of 5 ms, sixteen `new` meters: Python's own code 48 %, the kernel 36 %, uvloop 7 %, malloc 7 %;
        of which task switches 12 %, connecting 21 %, sending 8 %, closing 7 %, garbage collection 2 %
    with it, the load of redis-operator: slots that are due 55 % (connecting 7 %, writing rows 14 %), replies 16 %,
        polls of the observers 24 %, control files 3 %
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from chaos.agent.keeper import put
from chaos.agent.orders import QUIT, START, STOP, AgentSpec
from chaos.client.spec import ClientSpec, Connection, Load
from chaos.model import Outcome
from chaos.record.ops_files import read_rows
from chaos.scenario.load import load
from chaos.trial.assignment import client_specs
from tests.rig import MASTER_NAME, REDIS, SENTINELS, Rig, running, wait_for

METERS, RATE_HZ = 16, 50.0
SCENARIOS = ("redis-operator", "operator-model", "haproxy", "statefulset", "sentinel")
LOAD = Load(deadline_s=0.5, keys="failover:benchmark:0:", ttl_s=600, database=0, master=MASTER_NAME)
"""With a deadline that a busy machine keeps: an operation that times out costs less."""
SETTLE_S = 1.0
"""From the start of the clients to the first look: names, tables and the first connections are behind them."""


def cases(rig: Rig) -> dict[str, list[ClientSpec]]:
    """By name. The application clients of a scenario are processes of their own, and left out."""
    service, sentinel = (f"127.0.0.1:{rig.member(name).port}" for name in (REDIS[0], SENTINELS[0]))

    def sixteen(connection: Connection, address: str) -> list[ClientSpec]:
        asked = address == sentinel
        one = ClientSpec(
            number=0,
            kind="meter",
            path="path",
            connection=connection,
            address=address,
            rate_hz=RATE_HZ,
            via_sentinel=asked,
        )
        return [replace(one, number=number) for number in range(METERS)]

    shipped = {
        name: [
            replace(client, address=sentinel if client.via_sentinel else service)
            for client in client_specs(load(name).scenario)
            if client.kind == "meter"
        ]
        for name in SCENARIOS
    }
    return {
        "no clients": [],
        "new": sixteen("new", service),
        "new by way of Sentinel": sixteen("new", sentinel),
        "kept": sixteen("kept", service),
        **shipped,
    }


@contextmanager
def agent(rig: Rig, specs: list[ClientSpec], directory: Path) -> Iterator[int]:
    """A running agent's pid."""
    spec = AgentSpec(
        clients=tuple(specs),
        load=LOAD,
        members=tuple(rig.members()),
        names=(),
        limit_s=600.0,
    )
    directory.mkdir()
    file = directory / "spec.json"
    file.write_text(spec.dumps())
    process = subprocess.Popen([sys.executable, "-m", "chaos.agent", file, directory])
    try:
        yield process.pid
        put(directory, {"path": QUIT, "data": "{}"})
        process.wait(timeout=10)
    finally:
        process.kill()
        process.wait(timeout=5)


def cpu_s(pid: int) -> float:
    """What all its threads took so far."""
    spent_ns = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        spent_ns += int(file.read_text().split()[0])
    return spent_ns / 1e9


def said(directory: Path, kind: str) -> bool:
    file = directory / "events/agent.jsonl"
    return file.exists() and f'"{kind}"' in file.read_text()


def measured(rig: Rig, specs: list[ClientSpec], directory: Path, seconds: float) -> dict[str, float]:
    with agent(rig, specs, directory) as pid:
        wait_for(lambda: said(directory, "clock.pair"), "the agent's first second")
        put(directory, {"path": START, "data": json.dumps({"deadline_s": LOAD.deadline_s})})
        wait_for(lambda: said(directory, "clients.started"), "the agent's clients")
        time.sleep(SETTLE_S)
        before_s, begun_s = cpu_s(pid), time.monotonic()
        time.sleep(seconds)
        share = (cpu_s(pid) - before_s) / (time.monotonic() - begun_s)
        put(directory, {"path": STOP, "data": "{}"})
        wait_for(lambda: said(directory, "clients.stopped"), "the clients' end")
    rows = list(read_rows(directory / "ops/meters.rows"))
    good = [row for row in rows if row.outcome == Outcome.OK]
    stamps = {"sent_us": sorted(row.sent_us for row in good), "done_us": sorted(row.done_us for row in good)}
    spread = {f"{name}_p{q}": each[len(each) * q // 100] for name, each in stamps.items() for q in (50, 99) if each}
    return {
        "core_share": round(share, 4),
        "operations_per_s": sum(spec.rate_hz for spec in specs),
        "bad": len(rows) - len(good),
        **spread,
    }


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as rig:
        known = cases(rig)
        wanted = sys.argv[2:] or list(known)
        idle = 0.0
        for number, name in enumerate(dict.fromkeys(["no clients", *wanted])):
            found = measured(rig, known[name], Path(folder) / f"case-{number}", seconds)
            idle = idle or found["core_share"]
            if known[name]:
                found["cpu_us_per_operation"] = round(1e6 * (found["core_share"] - idle) / found["operations_per_s"], 1)
            sys.stdout.write(json.dumps({"case": name, **found}) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
