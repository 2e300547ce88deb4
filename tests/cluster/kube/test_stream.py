"""A stream of JSON lines into a real pod."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chaos.clock import identity
from chaos.cluster.kube.stream import LineStream, PodProgram, StreamBroken, clock_offset
from chaos.record.events import ClockOffset
from tests.cluster.kube.rig import Room, room

pytestmark = [pytest.mark.kind, pytest.mark.timeout(180)]

ANSWERER = """
import json, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    if asked["do"] == "clock":
        from chaos.clock import identity, reading
        answer = {**identity(), **reading()}
    elif asked["do"] == "large":
        answer = {"data": "x" * asked["bytes"]}
    elif asked["do"] == "end":
        sys.exit("no more")
    else:
        time.sleep(asked["s"])
        answer = {"slept": asked["s"]}
    print(json.dumps({**answer, "id": asked["id"]}), flush=True)
"""


@pytest.fixture
async def there() -> AsyncIterator[Room]:
    async with room() as made:
        yield made


async def answering(there: Room) -> PodProgram:
    """A pod of the agent's image, and a program in it that answers."""
    container = {"name": "python", "image": there.image, "command": ["sleep", "600"]}
    spec = {"nodeName": there.node, "terminationGracePeriodSeconds": 0, "containers": [container]}
    await there.api.request("POST", there.pods, {"metadata": {"name": "answering"}, "spec": spec})
    await there.running("answering")
    return PodProgram(there.namespace, "answering", "python", ["python", "-c", ANSWERER])


async def test_questions_are_answered_in_a_row_and_a_break_is_said(there: Room) -> None:
    stream = LineStream(there.api, await answering(there))
    with pytest.raises(StreamBroken, match="is not open"):
        await stream.ask({"do": "clock"}, 1)
    await stream.open()

    assert len((await stream.ask({"do": "large", "bytes": 1 << 20}, 10))["data"]) == 1 << 20
    slept = await asyncio.gather(*(stream.ask({"do": "sleep", "s": s}, 5) for s in (0.2, 0.0, 0.1)))
    assert [answer["slept"] for answer in slept] == [0.2, 0.0, 0.1]

    domain, offset = await clock_offset(stream, "node/x")
    assert {key: getattr(domain.event, key) for key in identity()} == identity()
    assert isinstance(offset.event, ClockOffset)
    assert abs(offset.event.offset_ns) <= offset.event.error_ns < 50e6

    with pytest.raises(StreamBroken, match="broke off: no more"):
        await stream.ask({"do": "end"}, 5)
    assert stream.broken
    await stream.open()
    with pytest.raises(StreamBroken, match="no answer in time"):
        await stream.ask({"do": "sleep", "s": 2}, 0.2)
    await stream.close()


async def test_a_pod_that_is_not_there_is_named(there: Room) -> None:
    stream = LineStream(there.api, PodProgram(there.namespace, "nobody", "python", ["true"]))
    with pytest.raises(StreamBroken, match=r"cannot run true in pod nobody: .*404"):
        await stream.open()
    await stream.close()
