"""Redis and Sentinel as processes of this machine, each in its own network namespace. Needs neither root nor Docker."""
