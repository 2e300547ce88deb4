"""What is done to the system: the kinds of faults, the choice of a target, and a fault's effect and proof as events."""
