"""One trial: one experiment on one healthy system, once, in a process of its own (`python -m chaos.trial`)."""
