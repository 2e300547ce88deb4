"""What is done to the system: one file a kind of fault, the choice of its target, and its proof as events."""
