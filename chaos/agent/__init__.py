"""The process that runs clients and observers beside the system, and the one that reaches into a node."""
