"""In an application client: its clock is moved by ten seconds. It begins anew in a time namespace of its own.

What an ordinary user may do within a user namespace only; its child ends with `unshare`, which the agent knows.
"""

import os
import sys

from tests.local.tampered import runs

MOVED = "FAILOVER_TEST_MOVED"

if runs("chaos.client.application") and MOVED not in os.environ:
    own = [] if os.geteuid() == 0 else ["--user", "--map-current-user"]
    command = ["unshare", *own, "--time", "--monotonic", "10", "--fork", "--kill-child", *sys.orig_argv]
    os.execvpe(command[0], command, os.environ | {MOVED: "1"})
