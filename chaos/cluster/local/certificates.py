"""The certificates of a local system that speaks TLS: an authority for it alone, and one certificate that it signs.

The openssl program makes them, since it is on nearly every machine and a library for this would be a heavy dependency.
All members and clients share the certificate, as they do where people mount one Secret everywhere.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from chaos.access import Tls
from chaos.cluster.local.config import both
from chaos.errors import SetupError

DAYS = "2"
"""How long they are valid: longer than any trial."""
MAKE_S = 20.0
_SIGNS = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
"""What the key of the authority is for. Without it Python from 3.13 on refuses the authority, as it refuses a
certificate that does not name its authority's key.
"""
_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")
"""A key on P-256: a handshake with an RSA key costs the server ten times as much, and meters make hundreds a second."""


def openssl() -> Path:
    """Return the program. Raises SetupError if it is not installed."""
    found = shutil.which("openssl")
    if found is None:
        raise SetupError(
            "the scenario speaks TLS, and openssl, which makes certificates, is missing: apt-get install openssl"
        )
    return Path(found)


def made(folder: Path, names: Sequence[str]) -> Tls:
    """Make the files of one system in a new folder. Its members' certificate bears `names`, the first for everybody."""
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
