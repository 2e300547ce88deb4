"""Make the certificates of a local system with TLS: its own authority, and one certificate signed by it.

The openssl program makes them, because it is on nearly every machine. All members and clients share the certificate, as
with one Secret that every pod mounts.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from chaos.access import Tls
from chaos.cluster.local.config import both
from chaos.errors import SetupError

DAYS = "2"
"""How long the certificates are valid: longer than any trial."""
MAKE_S = 20.0
_SIGNS = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
"""The key usage of the authority. Python from 3.13 on refuses an authority without it, and a certificate that does not
name its authority's key."""
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")
"""A P-256 key. A TLS handshake with an RSA key costs the server ten times as much CPU, and meters make hundreds a
second."""


def openssl() -> Path:
    """Return the path of openssl. Raises SetupError if it is not installed."""
    found = shutil.which("openssl")
    if found is None:
        raise SetupError(
            "the scenario speaks TLS, and openssl, which makes certificates, is missing: apt-get install openssl"
        )
    return Path(found)


def made(folder: Path, names: Sequence[str]) -> Tls:
    """Make a system's certificate files in a new folder.

    The certificate is valid for `names`; clients verify the first.
    """
    folder.mkdir(mode=0o700)
    alternatives = ",".join(f"DNS:{name}" for name in names)
    (folder / "extensions").write_text(f"subjectAltName={alternatives}\nauthorityKeyIdentifier=keyid\n")
    authority = ("req", "-x509", *_KEY, "ca.key", "-out", "ca.crt", "-days", DAYS, "-subj", "/CN=failover", *_SIGNS)
    request = ("req", "-new", *_KEY, "tls.key", "-out", "tls.csr", "-subj", f"/CN={names[0]}")
    signed = ("x509", "-req", "-in", "tls.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", DAYS)
    for command in (authority, request, (*signed, "-extfile", "extensions", "-out", "tls.crt")):
        done = subprocess.run(
            [openssl(), *command], cwd=folder, capture_output=True, text=True, timeout=MAKE_S, check=False
        )
        if done.returncode:
            raise SetupError(f"openssl {command[0]} made no certificate: {done.stderr.strip()}")
    (folder / "ca.key").unlink()  # nothing more is signed
    tls = Tls(
        ca=str(folder / "ca.crt"),
        certificate=str(folder / "tls.crt"),
        key=str(folder / "tls.key"),
        server_name=names[0],
    )
    both(tls).write_bytes((folder / "tls.crt").read_bytes() + (folder / "tls.key").read_bytes())
    both(tls).chmod(0o600)
    return tls
