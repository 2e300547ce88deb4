"""The harness is killed with SIGKILL at twenty random moments: after `failover cleanup` nothing of it is there.

benchmarks/killed.py does it more often.
"""

import asyncio
import random
from pathlib import Path

import pytest

from tests.local.killing import Kill, killed

pytestmark = [pytest.mark.local, pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(1800)]
KILLS, SEED, AT_ONCE, AGAIN = 20, 9, 4, 3


async def test_nothing_is_left_and_every_recording_can_be_read(tmp_path: Path) -> None:
    draw, room = random.Random(SEED), asyncio.Semaphore(AT_ONCE)
    kills = [Kill.drawn(draw) for _ in range(KILLS)]

    async def one(number: int, kill: Kill) -> str:
        for again in range(AGAIN):
            folder = tmp_path / f"{number}-{again}"
            folder.mkdir()
            async with room:
                left = await killed(kill, folder)
            if left is not None:
                break
        assert left is not None, f"{kill}: its run ended by itself {AGAIN} times"
        wrong = [*left.there, *([left.unread] if left.unread else []), *([left.said] if left.code else [])]
        return f"{kill}: {wrong}" if wrong else ""

    found = await asyncio.gather(*(one(number, kill) for number, kill in enumerate(kills)))

    assert [wrong for wrong in found if wrong] == []
    assert len({kill.event for kill in kills}) > 6
    assert {kill.generations for kill in kills} == {1, 2, 3, 4}
