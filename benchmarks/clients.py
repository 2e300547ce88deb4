"""The usual load against one Redis on loopback: how late slots are, how long operations take, and what it costs.

Run as `python benchmarks/clients.py [SECONDS]`. Sixteen meters at 50/s and two at 10/s, as the default scenario has
them; Sentinel paths ask a real Sentinel. Prints one JSON object.
"""

import asyncio
import json
import resource
import sys
import tempfile
from pathlib import Path

import uvloop

from chaos.client.crew import Crew
from chaos.client.names import Names
from chaos.client.spec import ClientSpec, Connection, Load
from chaos.model import Outcome
from chaos.record.event_files import EventWriter
from chaos.record.layout import Row
from chaos.record.rows import read_rows
from tests.rig import MASTER_NAME, REDIS, SENTINELS, Rig, running

LOAD = Load(deadline_s=0.1, keys="failover:benchmark:0:", ttl_s=60, database=0, master=MASTER_NAME)
CONNECTIONS: tuple[Connection, ...] = ("new", "kept")


def clients(rig: Rig) -> list[ClientSpec]:
    service, sentinel = (f"127.0.0.1:{rig.member(name).port}" for name in (REDIS[0], SENTINELS[0]))
    ways = [("service", service, 4, 50.0), ("sentinel", sentinel, 4, 50.0), ("given", service, 1, 10.0)]
    specs = [
        (path, address, rate_hz, connection)
        for path, address, count, rate_hz in ways
        for connection in CONNECTIONS
        for _ in range(count)
    ]
    return [
        ClientSpec(
            number=number,
            kind="meter",
            path=path,
            connection=connection,
            address=address,
            rate_hz=rate_hz,
            via_sentinel=path == "sentinel",
        )
        for number, (path, address, rate_hz, connection) in enumerate(specs)
    ]


async def measure(specs: list[ClientSpec], directory: Path, seconds: float) -> float:
    """Run the load; the share of one core that it took."""
    events = EventWriter(directory / "events" / "agent.jsonl", "agent")
    async with Names([], events) as names:
        crew = Crew(specs, LOAD, directory, events, names)
        before = resource.getrusage(resource.RUSAGE_SELF)
        crew.start(LOAD.deadline_s)
        await asyncio.sleep(seconds)
        await crew.stop()
        after = resource.getrusage(resource.RUSAGE_SELF)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / seconds


def quantiles(values: list[int]) -> dict[str, int]:
    ordered = sorted(values)
    return {name: ordered[int(q * (len(ordered) - 1))] for name, q in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))}


def figures(rows: list[Row], specs: list[ClientSpec]) -> dict[str, object]:
    """In µs from the intended stamp."""
    names = {spec.number: f"{spec.path}/{spec.connection}" for spec in specs}
    good = [row for row in rows if row.outcome == Outcome.OK]
    return {"operations": len(rows), "good": len(good)} | {
        path: {
            "sent_us": quantiles([row.sent_us for row in good if names[row.client] == path]),
            "done_us": quantiles([row.done_us for row in good if names[row.client] == path]),
        }
        for path in dict.fromkeys(names.values())
    }


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as rig:
        specs = clients(rig)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            share = runner.run(measure(specs, Path(folder), seconds))
        rows = list(read_rows(Path(folder) / "ops" / "meters.rows"))
    sys.stdout.write(json.dumps({"core_share": round(share, 3)} | figures(rows, specs), indent=1) + "\n")


if __name__ == "__main__":
    main()
