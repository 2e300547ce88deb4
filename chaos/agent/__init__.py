"""The agent, which runs clients and observers beside the system, and the node helper, which makes faults on a node."""
