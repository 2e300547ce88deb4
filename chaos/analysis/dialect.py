"""Where servers say the same in other words; told apart by nothing else, so that nobody has to know which one it was.

Compared by running them, Redis 6.2.14 and 7.0.15 and Valkey 9.1.2: Sentinel's channels and payloads, ROLE, the fields
of SENTINEL MASTER and REPLICAS, the names of settings, the first words of error replies and the form of a log line are
the same in all. A requested failover makes Valkey's Sentinel say `-sdown master` without a `+sdown` before it.
"""

PROMOTED_LINE = r"(?:MASTER|PRIMARY) MODE enabled"
"""A replica's log when it becomes a master. Redis says master, Valkey primary."""
