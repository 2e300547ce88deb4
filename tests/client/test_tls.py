"""Clients over TLS, with users and passwords, against a real Redis and a real Sentinel that ask for all of it."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from chaos.access import Access, Accesses, Tls
from chaos.client.application import OURS
from chaos.client.audit import audit
from chaos.client.libraries import LIBRARIES
from chaos.client.spec import ClientSpec, Load
from chaos.cluster.local.config import certificates
from chaos.model import ErrorCode, Outcome, RowFlag
from chaos.record.event_files import EventWriter, read_events
from chaos.record.events import Audit, Gap
from chaos.record.ops_files import read_rows
from chaos.resp import Resp
from chaos.scenario.clients import CELERY, MODULES, NAMES_ITS_HOST, WITHOUT_SENTINEL
from chaos.until import until
from tests.client.conftest import Start
from tests.client.play import BY_LATENESS, ended, good, load, new_and_kept, outcomes, outcomes_in_time, playing, spec
from tests.rig import LOOPBACK, call, free_port, launch, wait_for

pytestmark = pytest.mark.redis

REDIS, SENTINEL = ("app", "correct-horse"), ("watcher", "battery-staple")
RATE_HZ, DEADLINE_S = 10.0, 3.0
"""A handshake costs 2 ms of a core at each end, and the machine may be busy."""
Connecting = Callable[[Access, Access], None]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return certificates(tmp_path_factory.mktemp("made") / "tls", ["redis", "sentinel", "localhost"])


@pytest.fixture
def connecting(monkeypatch: pytest.MonkeyPatch) -> Connecting:
    """Sets how this test's clients connect."""

    def set_to(redis: Access, sentinel: Access) -> None:
        for name, value in Accesses(redis=redis, sentinel=sentinel).environment().items():
            monkeypatch.setenv(name, value)

    return set_to


def speaking(port: int, tls: Tls, login: tuple[str, str]) -> list[str]:
    """Lines of a configuration: TLS at `port`, and nothing for those who do not log in."""
    return [
        f"tls-port {port}",
        f"tls-ca-cert-file {tls.ca}",
        f"tls-cert-file {tls.certificate}",
        f"tls-key-file {tls.key}",
        "tls-replication yes",
        f"user {login[0]} on >{login[1]} ~* &* +@all",
        "user default off",
    ]


@pytest.fixture
def redis_port(start: Start, tls: Tls) -> int:
    port = free_port()
    start(*(word for line in speaking(port, tls, REDIS) for word in f"--{line}".split()))
    return port


@pytest.fixture
def sentinel_port(tmp_path: Path, redis_port: int, tls: Tls) -> Iterator[int]:
    """A Sentinel that watches that Redis."""
    port, plain, conf = free_port(), free_port(), tmp_path / "sentinel.conf"
    watched = [f"sentinel monitor mymaster {LOOPBACK} {redis_port} 1"]
    watched += [f"sentinel auth-user mymaster {REDIS[0]}", f"sentinel auth-pass mymaster {REDIS[1]}"]
    common = [f"port {plain}", f"bind {LOOPBACK}", f"dir {tmp_path}"]
    conf.write_text("\n".join([*common, *speaking(port, tls, SENTINEL), *watched]) + "\n")
    popen = launch(["redis-server", str(conf), "--sentinel"], tmp_path / "sentinel.log")
    wait_for(lambda: call(plain, "PING") is not None, "the Sentinel answers")
    yield port
    popen.kill()
    popen.wait(timeout=60)


def of_each_kind(port: int, *, via_sentinel: bool = False) -> list[ClientSpec]:
    """A meter of each way, and redis-py."""
    address = f"{LOOPBACK}:{port}"
    application = spec(address, number=2, kind="application", connection="kept", library="redis-py-pool")
    clients = [*new_and_kept(address), application]
    return [replace(client, via_sentinel=via_sentinel, rate_hz=RATE_HZ) for client in clients]


async def works_again(record: Path, since: int) -> bool:
    rows = list(read_rows(record / "ops" / "meters.rows"))[since:]
    return {row.client for row in good(rows)} == {0, 1}


def patient(**changes: int) -> Load:
    return load(deadline_s=DEADLINE_S, **changes)


async def test_all_clients_and_the_audit_speak_tls_and_log_in(
    redis_port: int, tls: Tls, connecting: Connecting, tmp_path: Path
):
    access = Access(user=REDIS[0], password=REDIS[1], tls=tls)
    connecting(access, Access())
    async with playing(tmp_path / "record", of_each_kind(redis_port), patient(database=3)) as play:
        await ended(play.directory, (0, 1, 2), Outcome.OK)
    assert {row.error for row in play.rows} <= {ErrorCode.NONE, *BY_LATENESS}
    assert {row.flags for row in play.of(0)} == {RowFlag.OPENED}
    assert [row.flags for row in play.of(1)] == [RowFlag.OPENED] + [0] * (len(play.of(1)) - 1)
    async with Resp.connect(LOOPBACK, redis_port, 2, access) as redis:
        await redis.call("SELECT", 3)
        assert len(good(play.rows)) <= await redis.call("DBSIZE") <= len(play.rows)
    events = EventWriter(tmp_path / "record" / "events" / "audit.jsonl", "agent")
    await audit(tmp_path / "record", patient(database=3), [f"{LOOPBACK}:{redis_port}"], [], events)
    events.close()
    [told] = [event.event for event in read_events(events.path) if isinstance(event.event, Audit)]
    assert len(good(play.rows)) <= told.present <= len(play.rows)
    assert told.undecided.replace(f"{LOOPBACK}:{redis_port} does not say that it is master", "") == ""


async def test_a_sentinel_is_asked_over_tls_with_a_login_of_its_own(
    sentinel_port: int, tls: Tls, connecting: Connecting, tmp_path: Path
):
    connecting(
        Access(user=REDIS[0], password=REDIS[1], tls=tls), Access(user=SENTINEL[0], password=SENTINEL[1], tls=tls)
    )
    async with playing(tmp_path / "record", of_each_kind(sentinel_port, via_sentinel=True), patient()) as play:
        await ended(play.directory, (0, 1, 2), Outcome.OK)
    assert {row.error for row in play.rows} <= {ErrorCode.NONE, *BY_LATENESS}


@pytest.mark.parametrize("password", ["wrong", ""])
async def test_a_sentinel_that_refuses_the_login_names_no_master(
    sentinel_port: int, tls: Tls, connecting: Connecting, tmp_path: Path, password: str
):
    connecting(Access(user=REDIS[0], password=REDIS[1], tls=tls), Access(password=password, tls=tls))
    async with playing(tmp_path / "record", of_each_kind(sentinel_port, via_sentinel=True)[:2], patient()) as play:
        await ended(play.directory, (0, 1), Outcome.FAILED)
    assert outcomes_in_time(play.rows) == {(Outcome.FAILED, ErrorCode.DISCOVERY_FAILED)}
    said = {told.event.error.partition(" ")[0] for told in play.kinds("discovery")}
    assert said == {"WRONGPASS" if password else "NOAUTH"}


OTHERS = [name for name in (*LIBRARIES, *OURS) if name not in ("redis-py-pool", "celery-bounded")]
"""Every library but the one that `of_each_kind` has. The bounded Celery connects as Celery does."""


def alone(library: str, port: int, *, via_sentinel: bool = False) -> ClientSpec:
    if find_spec(MODULES[library]) is None:
        pytest.skip(f"{library} is not installed")
    usual = spec(f"{LOOPBACK}:{port}", number=2, kind="application", connection="kept", library=library)
    return replace(usual, via_sentinel=via_sentinel, rate_hz=RATE_HZ, audited=library not in CELERY)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("library", OTHERS)
async def test_each_library_speaks_tls_and_logs_in(
    redis_port: int, tls: Tls, connecting: Connecting, tmp_path: Path, library: str
):
    """GLIDE is refused where the certificate names another than the host, and takes it where it is the host's."""
    client = alone(library, redis_port)
    if library == NAMES_ITS_HOST:
        tls, client = replace(tls, server_name=""), replace(client, address=f"localhost:{redis_port}")
    connecting(Access(user=REDIS[0], password=REDIS[1], tls=tls), Access())
    async with playing(tmp_path / "record", [client], patient(database=3)) as play:
        await ended(play.directory, (2,), Outcome.OK)
    assert {row.outcome for row in play.rows} == {Outcome.OK}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("library", [name for name in OTHERS if name not in WITHOUT_SENTINEL])
async def test_each_library_asks_a_sentinel_that_wants_tls_and_another_login(
    sentinel_port: int, tls: Tls, connecting: Connecting, tmp_path: Path, library: str
):
    connecting(
        Access(user=REDIS[0], password=REDIS[1], tls=tls), Access(user=SENTINEL[0], password=SENTINEL[1], tls=tls)
    )
    client = alone(library, sentinel_port, via_sentinel=True)
    async with playing(tmp_path / "record", [client], patient()) as play:
        await ended(play.directory, (2,), Outcome.OK)
    assert {row.outcome for row in play.rows} == {Outcome.OK}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("library", [name for name in OTHERS if name not in CELERY])
async def test_no_library_takes_a_certificate_of_another_authority_or_a_wrong_password(
    redis_port: int, tls: Tls, connecting: Connecting, tmp_path: Path, library: str
):
    client = alone(library, redis_port)
    other = certificates(tmp_path / "other", ["redis"])
    for access in (
        Access(user=REDIS[0], password=REDIS[1], tls=replace(tls, ca=other.ca)),
        Access(user=REDIS[0], password="wrong", tls=tls),
    ):
        connecting(access, Access())
        record = tmp_path / access.password
        async with playing(record, [client], patient()) as play:
            await refused(play.directory)
        assert not good(play.rows)


async def test_glide_says_why_it_does_not_connect_where_a_certificate_names_another(
    redis_port: int, tls: Tls, connecting: Connecting, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    client = alone(NAMES_ITS_HOST, redis_port)
    connecting(Access(user=REDIS[0], password=REDIS[1], tls=tls), Access())
    async with playing(tmp_path / "record", [client], patient()) as play:
        await refused(play.directory)
    assert "GLIDE takes no certificate that names redis and not its host" in capfd.readouterr().err


async def refused(record: Path) -> None:
    """Wait until its client met three errors, or said why it is not ready."""

    async def there() -> bool:
        rows = [row for path in (record / "ops").glob("app-2.rows") for row in read_rows(path)]
        gaps = [one for one in read_events(record / "events" / "agent.jsonl") if isinstance(one.event, Gap)]
        return len([row for row in rows if row.outcome == Outcome.UNKNOWN]) >= 3 or bool(gaps)

    await until(there, within_s=60, because="the client is refused")


async def test_a_certificate_of_another_authority_is_not_taken(
    redis_port: int, tls: Tls, connecting: Connecting, tmp_path: Path
):
    other = certificates(tmp_path / "other", ["redis"])
    connecting(Access(user=REDIS[0], password=REDIS[1], tls=replace(tls, ca=other.ca)), Access())
    async with playing(tmp_path / "record", of_each_kind(redis_port), patient()) as play:
        await ended(play.directory, (0, 1), Outcome.FAILED)
        await ended(play.directory, (2,), Outcome.UNKNOWN)
    assert outcomes_in_time(play.of(0) + play.of(1)) == {(Outcome.FAILED, ErrorCode.TLS_FAILED)}
    assert outcomes(play.of(2)) == {(Outcome.UNKNOWN, ErrorCode.TLS_FAILED)}


async def test_a_certificate_with_another_name_is_not_taken(
    redis_port: int, tls: Tls, connecting: Connecting, tmp_path: Path
):
    wrong = Access(user=REDIS[0], password=REDIS[1], tls=replace(tls, server_name="cache"))
    connecting(wrong, Access())
    async with playing(tmp_path / "record", of_each_kind(redis_port)[:2], patient()) as play:
        await ended(play.directory, (0, 1), Outcome.FAILED)
    assert outcomes_in_time(play.rows) == {(Outcome.FAILED, ErrorCode.TLS_FAILED)}
    with pytest.raises(ssl.SSLCertVerificationError, match="certificate is not valid for 'cache'"):
        async with Resp.connect(LOOPBACK, redis_port, 2, wrong):
            pass


async def test_a_client_without_the_certificate_that_is_asked_for_never_writes(
    redis_port: int, tls: Tls, connecting: Connecting, tmp_path: Path
):
    """In TLS 1.3 the server refuses only after the client's handshake is done, so that the write may have been sent."""
    connecting(Access(password=REDIS[1], tls=replace(tls, certificate="", key="")), Access())
    async with playing(tmp_path / "record", of_each_kind(redis_port)[:2], patient()) as play:
        await ended(play.directory, (0, 1), Outcome.UNKNOWN)
    assert not good(play.rows)
    assert {row.error for row in play.rows} <= {ErrorCode.TLS_FAILED, ErrorCode.RESET, ErrorCode.CLOSED}


async def test_a_redis_that_is_killed_is_refused_and_reset_and_no_trouble_of_tls(
    start: Start, tls: Tls, connecting: Connecting, tmp_path: Path
):
    port = free_port()
    server = start(*(word for line in speaking(port, tls, REDIS) for word in f"--{line}".split()))
    connecting(Access(user=REDIS[0], password=REDIS[1], tls=tls), Access())
    async with playing(tmp_path / "record", of_each_kind(port)[:2], patient()) as play:
        await ended(play.directory, (0, 1), Outcome.OK)
        server.kill()
        await ended(play.directory, (0, 1), Outcome.FAILED)
        server.start()
        since = len(list(read_rows(play.directory / "ops" / "meters.rows")))
        await until(lambda: works_again(play.directory, since), within_s=60, because="both work again")
    errors = {row.error for row in play.rows if row.outcome != Outcome.OK}
    assert ErrorCode.REFUSED in errors
    assert errors <= {ErrorCode.REFUSED, ErrorCode.RESET, ErrorCode.CLOSED, *BY_LATENESS}
