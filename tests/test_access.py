"""How servers are connected to: what goes through the environment, what is shown, and what files are refused."""

import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from chaos.access import PLAIN, Access, Accesses, Tls
from chaos.cluster.local.config import certificates
from chaos.errors import SetupError
from chaos.model import MemberKind

SECRET = "correct-horse battery"


def test_a_process_that_is_started_with_the_variables_connects_in_the_same_way():
    tls = Tls(ca="/ca.crt", certificate="/tls.crt", key="/tls.key", server_name="redis")
    accesses = Accesses(
        redis=Access(user="app", password=SECRET, tls=tls), sentinel=Access(password="other", tls=Tls())
    )

    assert Accesses.from_environment(accesses.environment()) == accesses


def test_without_a_variable_nothing_is_asked_for():
    assert Accesses.from_environment({"FAILOVER_REDIS_PASSWORD": ""}) == Accesses(redis=PLAIN, sentinel=PLAIN)
    assert Accesses().environment() == {}


def test_redis_and_sentinel_have_logins_of_their_own_and_a_proxy_has_none():
    accesses = Accesses(redis=Access(user="app", password="a"), sentinel=Access(password="b"))

    assert accesses.of(MemberKind.REDIS).login == ("AUTH", "app", "a")
    assert accesses.of(MemberKind.SENTINEL).login == ("AUTH", "b")
    assert accesses.of(MemberKind.PROXY).login == ()


def test_a_password_may_be_the_first_line_of_a_file(tmp_path: Path):
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\nand a remark\n")

    assert Accesses.from_environment({"FAILOVER_SENTINEL_PASSWORD_FILE": str(file)}).sentinel.password == SECRET


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(SetupError, match=r"FAILOVER_REDIS_PASSWORD_FILE: .*/none cannot be read: No such file"):
        Accesses.from_environment({"FAILOVER_REDIS_PASSWORD_FILE": str(tmp_path / "none")})


def test_a_password_is_not_shown():
    assert SECRET not in repr(Accesses(redis=Access(user="app", password=SECRET)))


def test_what_was_in_the_environment_before_does_not_stay(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FAILOVER_REDIS_PASSWORD", "of another system")
    monkeypatch.setenv("FAILOVER_SENTINEL_TLS", "yes")
    monkeypatch.setenv("FAILOVER_REDIS_USER", "")  # so that the test's end removes what is set below

    Accesses(redis=Access(user="app", password="a")).become_environment()

    assert Accesses.from_environment() == Accesses(redis=Access(user="app", password="a"))


def test_files_that_cannot_be_used_are_named(tmp_path: Path):
    words = tmp_path / "words"
    words.write_text("no certificate")
    with pytest.raises(SetupError, match=r"none holds no certificate of an authority in PEM: No such file"):
        _ = Tls(ca=str(tmp_path / "none")).context
    with pytest.raises(SetupError, match=r"words holds no certificate of an authority in PEM: no certificate"):
        _ = Tls(ca=str(words)).context
    with pytest.raises(SetupError, match=r"words and .*words hold no certificate with its key in PEM"):
        _ = Tls(certificate=str(words), key=str(words)).context


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_its_password(tmp_path: Path):
    tls = certificates(tmp_path / "tls", ["redis"])
    encrypted = tmp_path / "encrypted.key"
    command = ["openssl", "ec", "-aes128", "-passout", "pass:x", "-in", tls.key, "-out", str(encrypted)]
    subprocess.run(command, check=True, capture_output=True)

    with pytest.raises(SetupError, match=r"encrypted\.key hold no certificate with its key in PEM"):
        _ = Tls(ca=tls.ca, certificate=tls.certificate, key=str(encrypted)).context


def test_a_certificate_has_to_name_the_host_unless_another_name_is_given():
    assert Tls().name_for("redis.example") == "redis.example"
    assert Tls(server_name="redis").name_for("10.0.0.7") == "redis"


def test_a_certificate_that_does_not_name_its_authoritys_key_is_taken_as_redis_takes_it(tmp_path: Path):
    """The authority does not say either what its key is for. Python 3.13 and later refuse both by default."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    (tmp_path / "names").write_text("subjectAltName=DNS:redis\n")
    for command in (
        ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=authority"],
        ["req", "-new", *key, "-keyout", "key", "-out", "csr", "-subj", "/CN=redis"],
        [
            "x509",
            "-req",
            "-in",
            "csr",
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-extfile",
            "names",
            "-out",
            "crt",
        ],
    ):
        subprocess.run(["openssl", *command], cwd=tmp_path, capture_output=True, check=True, timeout=60)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    asked, told = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = Tls(ca=str(tmp_path / "ca.crt")).context.wrap_bio(told, asked, server_hostname="redis")
    theirs = server.wrap_bio(asked, told, server_side=True)

    for side in (ours, theirs, ours):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()

    certificate = ours.getpeercert()
    assert certificate is not None
    assert certificate["subject"] == ((("commonName", "redis"),),)
