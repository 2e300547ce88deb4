"""One trial: one experiment, played once on one healthy system, in its own process (`python -m chaos.trial`)."""
