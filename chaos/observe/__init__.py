"""The observers watch the system and the agent itself, and write every observation as an event."""
