"""A chaos and failover harness for Redis Sentinel that tells where every second of an outage went."""

__version__ = "0.1.0"
