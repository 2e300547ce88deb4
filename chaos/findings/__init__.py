"""What a record shows beyond times: one rule a file, each a function of what was measured.

A rule yields a `Finding` with the rows that show it, or nothing. Those of Sentinel and Redis are here; those that only
one operator's systems have are in its room in chaos.operators. To add one, write a file with a function and name it in
RULES; docs/architecture.md says which recordings its test needs.
"""
