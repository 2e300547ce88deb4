"""Cuts and Services as data, and the nftables rules that make them, put into a network namespace by netlink."""
