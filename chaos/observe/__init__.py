"""What the agent observes of the system, and of itself. Every observation is an event."""
