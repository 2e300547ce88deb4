"""Copy bytes between standard input and output and the node helper's socket. The host runs this in the helper's pod.

The program ends when one of the two ends. It does not interpret the bytes: the helper answers the requests, and keeps
running when this program ends.
"""

import os
import selectors
import socket
import sys
from pathlib import Path

DIRECTORY = Path("/run/failover")
"""A directory in an emptyDir of the pod, so that it outlives the helper's container."""
SOCKET = "helper.sock"
CHUNK = 1 << 16


def talk(path: Path) -> int:
    """Copy until one side ends. Return the exit code: 0 if standard input ended, 1 if the socket did."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            return _copy(connection)
    except OSError as error:
        sys.stderr.write(f"the node helper does not answer at {path}: {error}\n")
        return 1


def _copy(connection: socket.socket) -> int:
    with selectors.DefaultSelector() as both:
        both.register(sys.stdin, selectors.EVENT_READ)
        both.register(connection, selectors.EVENT_READ)
        while True:
            for key, _ in both.select():
                asked = key.fileobj is sys.stdin
                data = os.read(key.fd, CHUNK)
                if not data:
                    return 0 if asked else 1
                if asked:
                    connection.sendall(data)
                else:
                    sys.stdout.buffer.write(data)
                    sys.stdout.buffer.flush()


def main() -> None:
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY
    sys.exit(talk(directory / SOCKET))


if __name__ == "__main__":
    main()
