"""Cuts and Services as data, the nftables rules for them, and netlink to put these into a network namespace."""
