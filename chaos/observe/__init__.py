"""The observers: what the agent sees of the system and of itself. Every observation is an event."""
