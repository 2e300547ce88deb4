"""`failover watch`: measures a system that runs already, while somebody else does something to it, and does nothing.

`guest.py` looks around before anything is sent, and names the usual mistakes. `entries.py` keeps the last seconds, sees
when trouble begins and when it is over, and writes each outage and each failover as a trial's directory. `watching.py`
is the command, told as a list of steps.
"""
