"""Clients of libraries, of functions and of programs in other languages, all by one contract, against a real Redis."""

import re
import signal
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import pytest

from chaos.client.application import OURS
from chaos.client.libraries import LIBRARIES
from chaos.client.spec import STOP_S
from chaos.model import ErrorCode, Outcome
from chaos.record.layout import Row
from chaos.record.ops_files import read_header, read_rows
from chaos.scenario.clients import MODULES, Library
from chaos.until import until
from tests.client.conftest import Start
from tests.client.play import Play, playing, seconds
from tests.client.test_application import application, calling
from tests.rig import LOOPBACK, REDIS, SENTINELS, Rig

PAGE = Path(__file__).parents[2] / "docs" / "client-contract.md"
PLAIN = """\
import os, socket

host, port = os.environ["FAILOVER_CLIENT_ADDRESS"].rsplit(":", 1)
connection = socket.create_connection((host, int(port)))

def write(key, value):
    print("a stray line")
    connection.sendall(f"SET {key} {value}\\r\\n".encode())
    answer = connection.recv(100)
    if answer != b"+OK\\r\\n":
        raise ValueError(answer)

write.settings = {"socket_timeout": None}

async def write_later(key, value):
    write(key, value)
"""


def test_every_library_of_a_scenario_has_its_client_and_its_module():
    words = get_args(Library)
    assert set(words) == set(MODULES) == {*LIBRARIES, *OURS}


def told(directory: Path) -> dict[str, Any]:
    header, _ = read_header(directory / "ops" / "app-5.rows")
    client: dict[str, Any]
    [client] = header["clients"]
    return client


@pytest.mark.redis
@pytest.mark.parametrize("library", [name for name in LIBRARIES if name != "redis-py-pool"])
async def test_a_library_writes_the_keys_and_says_its_version_and_time_outs(start: Start, tmp_path: Path, library: str):
    if find_spec(MODULES[library]) is None:
        pytest.skip(f"{library} is not installed")
    server = start()
    async with playing(tmp_path, [application(server.address, library=library)]) as play:
        await calling(play, 5)
        assert server.call("GET", "failover:t:0:5:0") == "x" * 32
        assert 0 < server.call("PTTL", "failover:t:0:5:0") <= 60_000
    assert {row.outcome for row in play.rows} == {Outcome.OK}
    distribution = {"valkey-glide": "valkey-glide-sync"}.get(library, MODULES[library])
    client = told(tmp_path)
    assert client["library"].startswith(f"{library} {version(distribution)}, ")
    assert any("timeout" in name for name in client["settings"])
    if library != "valkey-glide":
        assert [event.event.client for event in play.kinds("connection.opened")] == [5]


@pytest.mark.redis
async def test_the_asyncio_form_asks_sentinel_and_follows_a_failover(rig: Rig, tmp_path: Path):
    sentinel = f"{LOOPBACK}:{rig.member(SENTINELS[0]).port}"
    asking = application(sentinel, via_sentinel=True, library="redis-py-asyncio")
    async with playing(tmp_path / "record", [asking]) as play:
        await calling(play)
        rig.kill(REDIS[0])

        async def back() -> bool:
            failed = bad(play)
            return bool(failed) and so_far(play)[-1].outcome == Outcome.OK

        await until(back, within_s=60, because="a call fails, and one later is good again", every_s=0.1)
    assert play.kinds("application.errors")[-1].event.counts


def so_far(play: Play) -> list[Row]:
    return [row for row in read_rows(play.directory / "ops" / "app-5.rows") if row.outcome != Outcome.IN_FLIGHT]


def bad(play: Play) -> list[Row]:
    return [row for row in so_far(play) if row.outcome == Outcome.UNKNOWN]


def function(address: str, folder: Path, name: str = "write"):
    (folder / "shop.py").write_text(PLAIN)
    return application(address, library="", client=f"shop:{name}", folder=str(folder), started_in="/")


@pytest.mark.redis
@pytest.mark.parametrize("name", ["write", "write_later"])
async def test_a_function_of_the_users_is_called_plain_or_async(start: Start, tmp_path: Path, name: str):
    server = start()
    async with playing(tmp_path / "record", [function(server.address, tmp_path, name)]) as play:
        await calling(play, 5)
    assert {row.outcome for row in play.rows} == {Outcome.OK}
    assert server.call("GET", "failover:t:0:5:0") == "x" * 32
    client = told(tmp_path / "record")
    expected = {"socket_timeout": None} if name == "write" else {}
    assert client["settings"] == expected


@pytest.mark.redis
async def test_a_planted_client_without_a_time_out_is_blocked_to_the_end(start: Start, tmp_path: Path):
    server = start()
    async with playing(tmp_path / "record", [function(server.address, tmp_path)]) as play:
        await calling(play, 5)
        server.signal(signal.SIGSTOP)
        await seconds(0.5)
        begun = time.monotonic()
    assert time.monotonic() - begun < STOP_S + 4
    assert play.rows[-1].outcome == Outcome.IN_FLIGHT
    assert {row.outcome for row in play.rows[:-1]} == {Outcome.OK}
    assert play.kinds("gap") == []


@pytest.mark.redis
async def test_the_example_of_the_page_is_a_whole_client_in_another_language(start: Start, tmp_path: Path):
    [program] = re.findall(r"```bash\n(#!.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "my-client").write_text(program)
    (tmp_path / "my-client").chmod(0o755)
    server = start()
    mine = application(server.address, library="", command=("./my-client",), folder=str(tmp_path))
    async with playing(tmp_path / "record", [mine]) as play:
        await calling(play, 5)
        assert 0 < server.call("PTTL", "failover:t:0:5:0") <= 60_000
        server.kill()

        async def failed() -> bool:
            return bool(bad(play))

        await until(failed, within_s=60, because="a call fails", every_s=0.05)
    assert {row.error for row in play.rows if row.outcome == Outcome.UNKNOWN} <= {ErrorCode.REFUSED, ErrorCode.CLOSED}
    client = told(tmp_path / "record")
    assert client["library"].startswith("bash ")
    assert client["settings"] == {"timeout": None}
    assert set(play.kinds("application.errors")[-1].event.counts) == {"ConnectionError"}


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("echo hello; read -r _", "it wrote a line that is no JSON object: hello"),
        ("read -r _; exit 3", "it ended by itself with exit code 3"),
        ('read -r _; echo \'{"library": "x"}\'; yes \'{"ok": true}\' | head -9; sleep 60', "it answered "),
        ('read -r _; echo \'{"library": "x"}\'; read -r _; echo \'{"done": 1}\'; sleep 60', "neither ok nor an error"),
        ('read -r _; echo \'{"library": "x"}\'; read -r _; echo \'{"error": "X", "code": "y"}\'; sleep 60', "no code"),
        ("echo the password is $FAILOVER_REDIS_PASSWORD >&2; exit 1", "the password is …"),
    ],
)
async def test_a_client_that_does_not_keep_to_it_is_ended_and_the_record_says_why(
    tmp_path: Path, script: str, says: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FAILOVER_REDIS_PASSWORD", "s3cr3t-of-ours")
    spec = application("127.0.0.1:1", library="", command=("bash", "-c", script))
    async with playing(tmp_path, [spec]) as play:

        async def ended() -> bool:
            return "ended by itself" in play.events_file.path.read_text()

        await until(ended, within_s=60, because="the gap that says so")
    (gap,) = play.kinds("gap")
    assert gap.event.source.startswith("client 5, bash -c")
    assert says in gap.event.text
    assert "s3cr3t-of-ours" not in gap.event.text


@pytest.mark.redis
async def test_a_client_that_dies_in_a_call_has_that_call_undecided_and_nothing_of_it_lives_on(
    start: Start, tmp_path: Path
):
    (tmp_path / "shop.py").write_text(
        "import os, subprocess\nchild = subprocess.Popen(['sleep', '300'])\n"
        "open('child', 'w').write(str(child.pid))\n"
        "def write(key, value):\n    os.kill(os.getpid(), 9)\n"
    )
    spec = application(start().address, library="", client="shop:write", folder=str(tmp_path))
    async with playing(tmp_path / "record", [spec]) as play:

        async def ended() -> bool:
            return "ended by itself" in play.events_file.path.read_text()

        await until(ended, within_s=60, because="the gap that says so")
    assert [(row.outcome, row.error) for row in play.rows] == [(Outcome.UNKNOWN, ErrorCode.CLOSED)]
    assert "with SIGKILL" in play.kinds("gap")[0].event.text
    assert not lives(int((tmp_path / "child").read_text()))


def lives(pid: int) -> bool:
    """Whether a process is there, and is not only waited for."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().split()[2] != "Z"
