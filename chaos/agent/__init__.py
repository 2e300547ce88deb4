"""The agent runs clients and observers beside the system. The node helper makes faults on a node."""
