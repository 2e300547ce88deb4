"""Redis and Sentinel as processes of this machine, each in a network namespace of its own: no root, no Docker."""
