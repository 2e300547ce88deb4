"""Partitions: a cut as data, and nftables in a network namespace by netlink."""
