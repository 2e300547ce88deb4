"""The harness is killed with SIGKILL at random moments on local, and `failover cleanup` comes after it.

Run as `python benchmarks/killed.py [KILLS [SEED [AT_ONCE]]]`; 100, 1 and 4 unless told. Wanted: nothing of ours is
left, every time, and every recording can be read up to the kill. Prints one JSON object. A run that ended before its
kill, as on a crowded machine, counts as none.
"""

import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.local.killing import Kill, Left, killed


async def main(kills: int, seed: int, at_once: int) -> None:
    draw, room, begun = random.Random(seed), asyncio.Semaphore(at_once), time.monotonic()
    drawn = [Kill.drawn(draw) for _ in range(kills)]

    async def one(number: int, kill: Kill) -> Left | None:
        async with room:
            with tempfile.TemporaryDirectory(prefix=f"killed-{number}-") as folder:
                left = await killed(kill, Path(folder))
        what = "not killed" if left is None else "; ".join([*left.there, left.unread]) or "nothing left"
        sys.stderr.write(f"{number:3} {kill}: {what}\n")
        return left

    found = await asyncio.gather(*(one(number, kill) for number, kill in enumerate(drawn)))
    done = [(kill, left) for kill, left in zip(drawn, found, strict=True) if left is not None]
    said = {
        "killed": len(done),
        "by_event": Counter(kill.event or "by time" for kill, _ in done),
        "generations": Counter(kill.generations for kill, _ in done),
        "something_left": [f"{kill}: {left.there}" for kill, left in done if left.there],
        "unread": [f"{kill}: {left.unread}" for kill, left in done if left.unread],
        "cleanup_failed": [f"{kill}: {left.said}" for kill, left in done if left.code],
        "seconds": round(time.monotonic() - begun),
    }
    sys.stdout.write(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    asyncio.run(main(*(int(given) for given in [*sys.argv[1:], *("100", "1", "4")[len(sys.argv) - 1 :]])))
