"""Who moves the master label of a system on local: a process of its own, so that it can be killed and cut off."""
