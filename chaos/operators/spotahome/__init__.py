"""Everything that is known of the Redis operator of Spotahome, v1.x.

The operator writes the master label only in its resync, every 30 s, and does nothing while a pod of the system is
terminating. A resync goes through the pods in the order of their names. It stops at the first pod that has just come
back, and makes it a replica. A new master with a higher ordinal than the killed pod is therefore labelled one resync
later. If a pod came back in place, Sentinel makes it a replica as well, failover-timeout after the promotion, and after
that the pod stops no resync. All this was read in the operator's source, v1.3.0-rc1, and seen on kind.

`room` reads recordings of the operator. `reconcile` and `resync` play the operator on the local cluster.
"""

LABEL_LINE = "Update pod label"
"""The beginning of the log line that says that a label was written."""
REPAIR_LINE = "Making pod"
"""The beginning of the log line that says that a pod was made a replica."""
