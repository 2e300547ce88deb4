"""A system that no operator looks after, with a password and behind HAProxy, played once as a user plays it."""

import sys
from pathlib import Path

import pytest

from chaos.model import MemberKind
from tests.kind.front import started

pytestmark = [pytest.mark.kind, pytest.mark.timeout(900)]
QUICK = {"limits.baseline": "4s", "limits.stable": "1s", "limits.watch": "1s", "deadline": "500ms"}
PASSWORD = Path("scenarios/statefulset/redis/secret.yaml").read_bytes().rpartition(b"password: ")[2].strip()


async def test_haproxys_word_and_the_members_waits_are_recorded_and_the_password_is_not(tmp_path: Path) -> None:
    out = tmp_path / "reports"
    settings = [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]
    command = [sys.executable, "-m", "chaos", "run", "haproxy", "--on", "kind", "--experiment", "kill-master"]
    async with started([*command, "--out", str(out), *settings], out) as run:
        assert await run.ended() in (0, 1), run.printed
    files = [path for path in out.rglob("*") if path.is_file()]
    [trial] = run.summary().trials
    pointer = trial.paths["service/new"].pointer
    assert pointer is not None
    assert (pointer.state, pointer.source) == ("seen", "proxy")
    assert {event.domain for event in run.events("waits")} >= {member["domain"] for member in redis_in(run.events)}
    assert "Server redis/" in "".join(path.read_text() for path in (run.trial / "logs").glob("proxy-*"))
    assert [path for path in files if PASSWORD in path.read_bytes()] == []


def redis_in(events) -> list[dict[str, str]]:
    members = events("members")[0].fields["members"]
    return [member for member in members if member["kind"] == MemberKind.REDIS]
