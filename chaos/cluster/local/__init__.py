"""A system as processes of this machine, each member in a network namespace of its own."""
