"""By which address a member finds itself, whatever its network is."""

from ipaddress import IPv4Address

LOOPBACK = "127.0.0.1"


def itself(address: str) -> str:
    """127.0.0.1 where the member has a network of its own; on the machine's loopback that would be anybody."""
    return address if IPv4Address(address).is_loopback else LOOPBACK
