"""The Redis operator of Spotahome, v1.x: all that is known of it is in this room.

It writes the master label only in its resync, every 30 s, and does nothing while a pod of the system is terminating. In
a resync it goes through the pods in the order of their names, and stops at the first one that has just come back, to
make it a replica. So a new master with a higher ordinal than the killed one is labelled one resync later. If a pod came
back in place, Sentinel makes it a replica as well, failover-timeout after the promotion, and it stops no resync after
that. All this was read in its source, v1.3.0-rc1, and seen on kind.

`room` has what a recording of it shows. `reconcile` and `resync` play it for the local cluster.
"""

LABEL_LINE = "Update pod label"
"""The beginning of the log line that says that a label was written."""
REPAIR_LINE = "Making pod"
"""The beginning of the log line that says that a pod was made a replica."""
