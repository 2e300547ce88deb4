"""`failover watch` measures a system that runs already, and does nothing to it, while somebody else does something.

`guest.py` looks around before anything is sent, and names the usual mistakes. `trouble.py` sees when trouble begins and
when it is over. `entries.py` keeps the last seconds, and writes each outage and each failover as a trial's directory.
`watching.py` is the command as a list of steps.
"""
